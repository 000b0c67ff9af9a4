using System.Globalization;
using Alveare.Planning.Rules;

namespace Alveare.Planning.Clusters;

/// <summary>Why a machine cannot come to a host, in words and numbers: what <see cref="ClusterState.MayMove"/> answers with yes or no.</summary>
public static class HostRefusals
{
    /// <summary>Every reason in a fixed order; empty when the machine may come.</summary>
    public static IReadOnlyList<string> Of(ClusterState state, int vm, int host) =>
        [.. Room(state, vm, host), .. state.Cluster.Rules.Weigh(vm, host, state.At).IsWorse ? Rules(state, vm, host, mustOnly: false) : []];

    /// <summary>As <see cref="Of"/>, for a machine that has to go somewhere: rules that only should hold refuse nothing.</summary>
    public static IReadOnlyList<string> OfForced(ClusterState state, int vm, int host) =>
        [.. Room(state, vm, host), .. state.Cluster.Rules.Weigh(vm, host, state.At).Must > 0 ? Rules(state, vm, host, mustOnly: true) : []];

    /// <summary>Of what the host is, its memory and reservations alone.</summary>
    public static IEnumerable<string> Room(ClusterState state, int vm, int host)
    {
        var (machine, target) = (state.Cluster.Vms[vm], state.Cluster.Hosts[host]);
        if (!state.Cluster.CanRun(vm, host))
            yield return "it cannot run there";
        if (state.Consumed[host] + machine.ConsumedMb > target.MemMb)
            yield return Lacks("memory", "MB", machine.ConsumedMb, target.MemMb - state.Consumed[host]);
        if (state.MemReserved[host] + machine.MemReservationMb > target.MemMb)
            yield return Lacks("memory that is not reserved", "MB", machine.MemReservationMb, target.MemMb - state.MemReserved[host]);
        if (state.CpuReserved[host] + machine.CpuReservationMhz > target.CpuMhz)
            yield return Lacks("CPU that is not reserved", "MHz", machine.CpuReservationMhz, target.CpuMhz - state.CpuReserved[host]);
    }

    private static List<string> Rules(ClusterState state, int vm, int host, bool mustOnly)
    {
        var reasons = new List<string>();
        foreach (var rule in state.Cluster.Rules.RulesOf(vm))
        {
            if (!(mustOnly && !state.Cluster.Rules[rule].IsMust) && state.Cluster.Rules.Change(rule, vm, host, state.At) > 0)
                reasons.Add(RuleText.Of(state.Cluster.Rules[rule]));
        }

        return reasons;
    }

    private static string Lacks(string what, string unit, double needed, double free) =>
        string.Create(CultureInfo.InvariantCulture, $"needs {needed:0} {unit} of {what}, {Math.Max(0, free):0} {unit} are free");
}
