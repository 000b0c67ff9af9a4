using System.Diagnostics;
using Alveare.Core;
using Alveare.Core.Statistics;
using Alveare.Simulation.Sites;

namespace Alveare.Bench.Scale;

/// <summary>An hour's samples of every simulated host, reported in a moment of real time: what a center keeps, and reads out of it, then is what one does that has run
/// for longer.</summary>
internal static class StatisticsHour
{
    /// <summary>What a host tells of its machines comes once in this time, as from real ones.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <param name="clock">Of the site and of the engine: it is an hour later afterwards.</param>
    public static async Task ReportAsync(SimulatedSite site, Engine engine, AdvancedClock clock)
    {
        for (var round = 0; round < StatisticsHistory.Kept; round++)
        {
            clock.Advance(Interval);
            foreach (var host in site.Hosts)
                host.Agent!.RaiseStatistics();
            // Until the last of them has come: what waits on its way weighs too.
            var last = site.Hosts[^1];
            for (var asked = Stopwatch.GetTimestamp(); engine.Statistics.AgesOfHost(last.Id).Length <= round; await Task.Delay(1))
            {
                if (Stopwatch.GetElapsedTime(asked) < Patience)
                    continue;
                // The hour that passed in a moment may have ended the session that it was told to.
                last.Agent!.RaiseStatistics();
                asked = Stopwatch.GetTimestamp();
            }
        }
    }
}
