using System.Diagnostics;
using Alveare.Bench.Report;
using Alveare.Bench.Scale;

namespace Alveare.Bench.Measures;

/// <summary>A center with 2,500 hosts, most of them in 26 clusters of 96, and 45,000 running machines under everything at once: statistics every 20 s, 50 operations a second,
/// 200 readers of the event stream, and clusters in full mode that balance themselves under load in waves.</summary>
internal static class ScaleMeasure
{
    private static readonly ScaleShape Shape = new(Clusters: [.. Enumerable.Repeat(96, 26), 4], MachinesPerHost: 18);
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(180);

    public static async Task<IReadOnlyList<Line>> RunAsync()
    {
        var began = Stopwatch.GetTimestamp();
        await using var site = await ScaleSite.OpenAsync(Shape);
        Console.WriteLine(Line.Text($"  {Shape.Hosts} hosts with {Shape.Machines} machines after {Stopwatch.GetElapsedTime(began).TotalSeconds:0} s"));
        GC.Collect();
        var (pauses, collections) = (GC.GetTotalPauseDuration(), GC.CollectionCount(2));
        var usage = new Usage(Environment.ProcessId);
        await using var watch = new PauseWatch();
        var outcome = await ScaleLoad.RunElsewhereAsync(site.Url, Watched);
        var cpu = usage.CpuPercent();
        var paused = GC.GetTotalPauseDuration() - pauses;
        Console.WriteLine(Line.Text($"  garbage collection stood still {paused.TotalMilliseconds:0} ms of {Watched.TotalSeconds:0} s, {GC.CollectionCount(2) - collections} of them whole; the longest {watch.Longest}"));
        Console.WriteLine(Line.Text($"  {outcome.Submitted} operations, {outcome.Failed} failed{(outcome.FirstFailure is null ? "" : $" ({outcome.FirstFailure})")}, {outcome.Repeated} times one met another task of its machine; {outcome.Changes} changes told to readers"));
        Console.WriteLine(Line.Text($"  balancing moved machines in {site.RoundsWithMoves} rounds"));
        Console.WriteLine($"  requests {outcome.Requests}; tasks {outcome.Tasks}");
        Console.WriteLine($"  the slowest requests: {string.Join(", ", outcome.Slowest)}");
        return
        [
            Line.Limit("center of a large site, CPU", cpu, 40, "% of a core"),
            Line.Limit("center of a large site, memory (PSS)", usage.MemoryMb(), 1_200, "MB"),
            Line.Limit("center of a large site, requests, 99th percentile", outcome.Requests.P99, 100, "ms"),
            Line.Limit("center of a large site, tasks lost or failed", outcome.Lost + outcome.Failed, 0, "tasks"),
            Line.Limit("center of a large site, readers of the stream that heard nothing", outcome.SilentReaders, 0, "readers"),
        ];
    }
}
