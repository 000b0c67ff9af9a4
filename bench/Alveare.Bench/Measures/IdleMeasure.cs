using System.Diagnostics;
using Alveare.Bench.Report;

namespace Alveare.Bench.Measures;

/// <summary>What a host's agent and the center use while nothing is asked of them, and how soon a restarted agent has its machines again.</summary>
internal static class IdleMeasure
{
    private const int Machines = 20;
    private const string Host = "h1";

    // Long enough for firmware to find nothing to boot, and for several rounds of statistics to be measured.
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(60);

    public static async Task<IReadOnlyList<Line>> RunAsync(BenchLab lab)
    {
        for (var number = 0; number < Machines; number++)
        {
            var machine = await lab.CreateAsync($"idle-{number}", Host, 64, 0);
            await lab.Site.RunAsync("vm.power-on", machine.Id);
        }

        await Task.Delay(Settling);
        var agent = new Usage(lab.Instance.Hosts[Host].Process!.Pid);
        var center = new Usage(lab.Instance.Center.Process!.Pid);
        await Task.Delay(Watched);
        return
        [
            Line.Limit($"agent with {Machines} running machines, CPU", agent.CpuPercent(), 2, "% of a core"),
            Line.Limit($"agent with {Machines} running machines, memory (PSS)", agent.MemoryMb(), 200, "MB"),
            Line.Limit($"center with {lab.Plan.Hosts.Count} hosts, CPU", center.CpuPercent(), 1, "% of a core"),
            Line.Limit($"center with {lab.Plan.Hosts.Count} hosts, memory (PSS)", center.MemoryMb(), 250, "MB"),
            await AdoptionAsync(lab),
        ];
    }

    /// <summary>The agent is killed and started again; it says that it is ready when it has adopted its machines.</summary>
    private static async Task<Line> AdoptionAsync(BenchLab lab)
    {
        await lab.Instance.Hosts[Host].Process!.KillAsync(TimeSpan.FromSeconds(10));
        var start = Stopwatch.GetTimestamp();
        await lab.Instance.EnsureProgramsAsync();
        return Line.Limit(
            $"a killed agent, from its start to {Machines} machines adopted", Stopwatch.GetElapsedTime(start).TotalMilliseconds, 2_000, "ms");
    }
}
