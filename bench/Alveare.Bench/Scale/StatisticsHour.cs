using Alveare.Core;
using Alveare.Core.Statistics;
using Alveare.Simulation.Sites;

namespace Alveare.Bench.Scale;

/// <summary>An hour's samples of every simulated host, reported at once: what a center keeps then is what one keeps that has run for longer.</summary>
internal static class StatisticsHour
{
    public static async Task ReportAsync(SimulatedSite site, Engine engine)
    {
        for (var round = 0; round < StatisticsHistory.Kept; round++)
        {
            foreach (var host in site.Hosts)
                host.Agent!.RaiseStatistics();
            // Until the last of them has come: what waits on its way weighs too.
            var last = site.Hosts[^1].Id;
            while (engine.Statistics.Host(last).Count <= round)
                await Task.Delay(1);
        }
    }
}
