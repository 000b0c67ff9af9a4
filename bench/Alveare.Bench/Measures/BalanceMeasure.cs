using System.Globalization;
using System.Text.Json;
using Alveare.Bench.Balance;
using Alveare.Bench.Report;
using Alveare.Lab.Programs;
using Alveare.Planning.Snapshots;

namespace Alveare.Bench.Measures;

/// <summary>What <c>./alveare plan balance</c> makes of made clusters, at the most eager level to the end and with few moves: the program is run as a user would,
/// its CPU time is the kernel's figure, and its moves are replayed by a scorer that knows nothing of the planner.</summary>
internal static class BalanceMeasure
{
    private const int Seed = 1;
    private const string Level = "5";

    private static readonly (int Hosts, double Seconds)[] Limits = [(64, 0.7), (96, 1)];
    private static readonly (int Hosts, int Moves)[] Budgets = [(8, 10), (32, 50)];

    private sealed record Planned(ClusterShape Shape, int? Budget, double CpuSeconds, int Moves, Standing Before, Standing After);

    public static async Task<IReadOnlyList<Line>> RunAsync()
    {
        var directory = Directory.CreateTempSubdirectory("alveare-bench").FullName;
        try
        {
            Console.WriteLine($"  {"cluster",-22} {"moves",5} {"CPU s",6} {"GB",8}  {"sd CPU",-15} {"sd memory",-15} {"most CPU",-13} broken");
            var all = new List<Planned>();
            foreach (var shape in ClusterShape.All)
                all.AddRange(await PlanAsync(shape, Path.Combine(directory, $"{shape.Name}.json")));
            return [.. Limits.Select(l => Slowest(all, l.Hosts, l.Seconds)), .. Sums(all)];
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
        var before = Replay.Of(cluster, []);
        var plans = new List<Planned>();
        foreach (var budget in (int?[])[null, .. Budgets.Where(b => b.Hosts == shape.Hosts).Select(b => (int?)b.Moves)])
        {
            var (moves, seconds) = await AskAsync(file, budget);
            plans.Add(new Planned(shape, budget, seconds, moves.Count, before, Replay.Of(cluster, moves)));
            Print(plans[^1]);
        }

        return plans;
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

    private static void Print(Planned plan)
    {
        var (before, after) = (plan.Before, plan.After);
        var name = plan.Budget is { } budget ? $"{plan.Shape.Name}, {budget}" : plan.Shape.Name;
        Console.WriteLine(Line.Text(
            $"  {name,-22} {plan.Moves,5} {plan.CpuSeconds,6:0.00} {after.MovedGb,8:0}  {before.SdCpu:0.0000} {after.SdCpu:0.0000}   {before.SdMem:0.0000} {after.SdMem:0.0000}   {before.MaxCpu,5:0.00} {after.MaxCpu,5:0.00}   {before.Broken} {after.Broken}"));
    }

    private static Line Slowest(List<Planned> all, int hosts, double limit)
    {
        var slowest = all.Where(p => p.Shape.Hosts == hosts).MaxBy(p => p.CpuSeconds)!;
        return Line.Limit($"plan balance, CPU, slowest of {hosts} hosts ({slowest.Shape.Name})", slowest.CpuSeconds, limit, "s");
    }

    private static IEnumerable<Line> Sums(List<Planned> all)
    {
        var toTheEnd = all.Where(p => p.Budget is null).ToList();
        yield return Line.Limit("plan balance, moves that cannot be made", all.Sum(p => p.After.Errors), 0, "moves");
        yield return Line.Limit("plan balance, moves that break a rule", all.Sum(p => p.After.Breaking), 0, "moves");
        yield return Line.Limit($"plan balance to the end, machines that break a rule (of {toTheEnd.Sum(p => p.Before.Broken)})", toTheEnd.Sum(p => p.After.Broken), 0, "machines");
        yield return Line.Limit("plan balance to the end, largest deviation of CPU or memory left", toTheEnd.Max(p => Math.Max(p.After.SdCpu, p.After.SdMem)), 0.03, "of a host");
    }
}
