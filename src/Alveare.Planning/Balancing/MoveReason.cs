using System.Globalization;
using Alveare.Planning.Clusters;
using Alveare.Planning.Rules;

namespace Alveare.Planning.Balancing;

/// <summary>Says why a machine moves.</summary>
internal static class MoveReason
{
    /// <summary>The move with its reason, told just before it is made.</summary>
    /// <param name="why">What it is for; null for the rule that it mends, or for load alone.</param>
    public static PlannedMove Move(ClusterState state, int vm, int to, string? why = null)
    {
        var cluster = state.Cluster;
        why ??= Mended(state, vm, to) is { } rule ? RuleText.Of(cluster.Rules[rule]) : null;
        return new(
            cluster.Vms[vm].Id, cluster.Hosts[state.At[vm]].Id, cluster.Hosts[to].Id, cluster.Gb[vm], why is null ? Loads(state, vm, to) : $"{why}; {Loads(state, vm, to)}");
    }

    private static int? Mended(ClusterState state, int vm, int to)
    {
        foreach (var rule in state.Cluster.Rules.RulesOf(vm))
        {
            if (state.Cluster.Rules.Change(rule, vm, to, state.At) < 0)
                return rule;
        }

        return null;
    }

    private static string Loads(ClusterState state, int vm, int to)
    {
        var (from, cluster) = (state.At[vm], state.Cluster);
        var (cpu, mem) = (cluster.Cpu[vm], cluster.Mem[vm]);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{cluster.Hosts[from].Id} CPU {Percent(state.CpuLoad[from])} -> {Percent(state.CpuLoad[from] - (cpu * state.CpuPerMhz[from]))} %, memory {Percent(state.MemLoad[from])} -> {Percent(state.MemLoad[from] - (mem * state.MemPerMb[from]))} %; {cluster.Hosts[to].Id} CPU {Percent(state.CpuLoad[to])} -> {Percent(state.CpuLoad[to] + (cpu * state.CpuPerMhz[to]))} %, memory {Percent(state.MemLoad[to])} -> {Percent(state.MemLoad[to] + (mem * state.MemPerMb[to]))} %; {cluster.Gb[vm]:0.0} GB to move");
    }

    // Thousands of moves have eight of these each: tenths by integers cost a tenth of a formatted number.
    private static string Percent(double share)
    {
        var tenths = (long)Math.Round(1000 * share);
        return string.Create(CultureInfo.InvariantCulture, $"{tenths / 10}.{Math.Abs(tenths % 10)}");
    }
}
