using System.Globalization;
using System.Text.Json;
using Alveare.Bench.Balance;
using Alveare.Bench.Report;
using Alveare.Lab.Programs;
using Alveare.Planning.Snapshots;

namespace Alveare.Bench.Measures;

/// <summary>What <c>./alveare plan balance</c> makes of made clusters, at the most eager level to the end and with few moves: the program is run as a user would,
/// its CPU time is the kernel's figure, and its moves are replayed by a scorer that knows nothing of the planner. Beside it <see cref="Greedy"/> plans the same.</summary>
internal static class BalanceMeasure
{
    private const int Seed = 1;
    private const string Level = "5";

    /// <summary>A difference of a host's load that means nothing.</summary>
    private const double Nothing = 0.0005;

    private static readonly (int Hosts, double Seconds)[] Limits = [(64, 0.7), (96, 1)];
    private static readonly (int Hosts, int Moves)[] Budgets = [(8, 10), (32, 50)];

    // What the reference takes for a cluster of ten thousand machines on a machine with something else to do.
    private static readonly TimeSpan MostOfGreedy = TimeSpan.FromSeconds(90);

    private sealed record Plan(int Moves, double CpuSeconds, Standing After);

    /// <param name="Greedy">Null where there was no time for it.</param>
    private sealed record Planned(ClusterShape Shape, int? Budget, Standing Before, Plan Ours, Plan? Greedy)
    {
        public string Name => Budget is { } budget ? $"{Shape.Name}, {budget}" : Shape.Name;
    }

    public static async Task<IReadOnlyList<Line>> RunAsync()
    {
        var directory = Directory.CreateTempSubdirectory("alveare-bench").FullName;
        try
        {
            Console.WriteLine($"  {"cluster",-22} {"plan",-6} {"moves",5} {"CPU s",6} {"GB",8} {"sd CPU",8} {"sd mem",8} {"most CPU",9} {"most mem",9} broken");
            var all = new List<Planned>();
            foreach (var shape in ClusterShape.All)
                all.AddRange(await PlanAsync(shape, Path.Combine(directory, $"{shape.Name}.json")));
            return [.. Limits.Select(l => Slowest(all, l.Hosts, l.Seconds)), .. Sums(all), .. all.SelectMany(Beside)];
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task<List<Planned>> PlanAsync(ClusterShape shape, string file)
    {
        var cluster = ClusterMaker.Make(shape, Seed);
        await File.WriteAllBytesAsync(file, SnapshotWriter.Write(cluster));
        var plans = new List<Planned>();
        foreach (var budget in (int?[])[null, .. Budgets.Where(b => b.Hosts == shape.Hosts).Select(b => (int?)b.Moves)])
        {
            var (moves, seconds) = await AskAsync(file, budget);
            var ours = new Plan(moves.Count, seconds, Replay.Of(cluster, moves));
            plans.Add(new Planned(shape, budget, Replay.Of(cluster, []), ours, PlanGreedily(cluster, budget)));
            Print(plans[^1]);
        }

        return plans;
    }

    private static Plan? PlanGreedily(ClusterSnapshot cluster, int? budget)
    {
        var before = Environment.CpuUsage.TotalTime;
        var moves = Greedy.Plan(cluster, budget, MostOfGreedy);
        var seconds = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        return moves is null ? null : new(moves.Count, seconds, Replay.Of(cluster, moves));
    }

    private static async Task<(IReadOnlyList<ReplayedMove> Moves, double CpuSeconds)> AskAsync(string file, int? budget)
    {
        string[] most = budget is { } moves ? ["--max-moves", moves.ToString(CultureInfo.InvariantCulture)] : [];
        var before = Usage.CpuSecondsOfEnded();
        var answer = await Command.RunAsync(Built.Program("Alveare.Cli", "alveare"), ["plan", "balance", "--snapshot", file, "--level", Level, "--json", .. most]);
        var seconds = Usage.CpuSecondsOfEnded() - before;
        using var json = JsonDocument.Parse(answer);
        return ([.. json.RootElement.GetProperty("moves").EnumerateArray().Select(m => new ReplayedMove(Text(m, "vm"), Text(m, "from"), Text(m, "to")))], seconds);
    }

    private static string Text(JsonElement move, string member) => move.GetProperty(member).GetString()!;

    private static void Print(Planned planned)
    {
        Row(planned.Name, "before", "", "", planned.Before);
        foreach (var (by, plan) in new[] { ("ours", planned.Ours), ("greedy", planned.Greedy) })
        {
            if (plan is null)
                Console.WriteLine(Line.Text($"  {"",-22} {by,-6} not done in {MostOfGreedy.TotalSeconds:0} s: there is nothing to compare with"));
            else
                Row("", by, Line.Text($"{plan.Moves}"), Line.Text($"{plan.CpuSeconds:0.00}"), plan.After);
        }
    }

    private static void Row(string cluster, string plan, string moves, string seconds, Standing at) => Console.WriteLine(Line.Text(
        $"  {cluster,-22} {plan,-6} {moves,5} {seconds,6} {at.MovedGb,8:0} {at.SdCpu,8:0.0000} {at.SdMem,8:0.0000} {at.MaxCpu,9:0.000} {at.MaxMem,9:0.000} {at.Broken}"));

    private static Line Slowest(List<Planned> all, int hosts, double limit)
    {
        var slowest = all.Where(p => p.Shape.Hosts == hosts).MaxBy(p => p.Ours.CpuSeconds)!;
        var line = Line.Limit($"plan balance, CPU, slowest of {hosts} hosts ({slowest.Shape.Name})", slowest.Ours.CpuSeconds, limit, "s");
        return slowest.Greedy is { CpuSeconds: var greedy } ? line with { Against = Line.Text($"{greedy:0.##} s"), Ratio = Line.Text($"{slowest.Ours.CpuSeconds / greedy:0.00}") } : line;
    }

    private static IEnumerable<Line> Sums(List<Planned> all)
    {
        var toTheEnd = all.Where(p => p.Budget is null).ToList();
        yield return Line.Limit("plan balance, moves that cannot be made", all.Sum(p => p.Ours.After.Errors), 0, "moves");
        yield return Line.Limit("plan balance, moves that break a rule", all.Sum(p => p.Ours.After.Breaking), 0, "moves");
        yield return Line.Limit($"plan balance to the end, machines that break a rule (of {toTheEnd.Sum(p => p.Before.Broken)})", toTheEnd.Sum(p => p.Ours.After.Broken), 0, "machines");
        yield return Line.Limit("plan balance to the end, largest deviation of CPU or memory left", toTheEnd.Max(p => Math.Max(p.Ours.After.SdCpu, p.Ours.After.SdMem)), 0.03, "of a host");
    }

    // With few moves to make, what counts is how even they leave the cluster; to the end it is also what that cost.
    private static IEnumerable<Line> Beside(Planned planned)
    {
        if (planned.Greedy is not { After: var greedy })
            yield break;
        var ours = planned.Ours.After;
        yield return Line.Beside($"{planned.Name}, deviations of CPU and memory, beside greedy", ours.Deviations, greedy.Deviations, "", Nothing, "0.0000");
        if (planned.Budget is not null)
            yield break;
        yield return Line.Beside($"{planned.Name}, CPU of the worst host", ours.MaxCpu, greedy.MaxCpu, "", Nothing, "0.000");
        yield return Line.Beside($"{planned.Name}, memory of the worst host", ours.MaxMem, greedy.MaxMem, "", Nothing, "0.000");
        yield return Line.Beside($"{planned.Name}, moved", ours.MovedGb, greedy.MovedGb, "GB", 0, "0");
    }
}
