using System.Collections.Immutable;
using System.Globalization;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Balancing;

/// <summary>Where the machines of one host go, when it is to be empty or has failed.</summary>
/// <param name="Stuck">Machines that go nowhere.</param>
public sealed record EvacuationPlan(ImmutableArray<PlannedMove> Moves, ImmutableArray<StuckVm> Stuck, ClusterFigures Before, ClusterFigures After);

/// <summary>A machine that finds no host.</summary>
/// <param name="Reasons">Why, for each other host.</param>
public sealed record StuckVm(string Vm, ImmutableArray<HostReason> Reasons);

/// <summary>Plans to empty a host, or to restart elsewhere what ran on one that failed.</summary>
/// <remarks>The machine that takes most memory first, because it is the one that ends up with nowhere to go; machines that must be together go as
/// one. Each goes where the fewest rules that should hold are broken, of such hosts where the scarcer of CPU and memory is least loaded with it. Ties go to
/// the lower id.</remarks>
public static class Evacuation
{
    /// <summary>The machines run, and move live one after the other.</summary>
    public static EvacuationPlan Maintenance(ClusterSnapshot snapshot, string host) => Plan(snapshot, host, hasFailed: false);

    /// <summary>The host has failed: its machines are started again elsewhere.</summary>
    public static EvacuationPlan Failure(ClusterSnapshot snapshot, string host) => Plan(snapshot, host, hasFailed: true);

    private static EvacuationPlan Plan(ClusterSnapshot snapshot, string host, bool hasFailed)
    {
        var whole = new Cluster(snapshot);
        var units = MoveUnits.Of(whole, whole.Start);
        var (state, left) = (new ClusterState(units.Cluster), whole.HostNumbers[host]);
        var waiting = Enumerable.Range(0, state.At.Length).Where(u => state.At[u] == left)
            .OrderByDescending(u => units.Cluster.Consumed[u]).ThenBy(u => u).ToList();
        if (hasFailed)
            waiting.ForEach(u => state.Move(u, ClusterState.Nowhere));
        var moves = new List<PlannedMove>();
        // Again as long as something moved: what had no room, or a rule in its way, may have it now.
        for (; ;)
        {
            var stuck = waiting.Where(unit => !Move(units, state, unit, left, moves)).ToList();
            if (stuck.Count == waiting.Count)
                return Outcome(whole, left, hasFailed, moves, [.. stuck.SelectMany(u => Stuck(units, state, u, left))]);
            waiting = stuck;
        }
    }

    private static EvacuationPlan Outcome(Cluster cluster, int left, bool hasFailed, List<PlannedMove> moves, ImmutableArray<StuckVm> stuck)
    {
        var state = new ClusterState(cluster);
        var before = ClusterFigures.Of(state);
        foreach (var vm in stuck.Where(_ => hasFailed))
            state.Move(cluster.VmNumbers[vm.Vm], ClusterState.Nowhere);
        foreach (var move in moves)
            state.Move(cluster.VmNumbers[move.Vm], cluster.HostNumbers[move.To]);
        return new([.. moves], stuck, before, ClusterFigures.Of(state, without: left));
    }

    private static bool Move(MoveUnits units, ClusterState state, int unit, int left, List<PlannedMove> moves)
    {
        var (best, least) = (-1, (Should: int.MaxValue, Load: double.PositiveInfinity));
        for (var host = 0; host < state.CpuLoad.Length; host++)
        {
            if (host == left || !state.HasRoom(unit, host) || state.Cluster.Rules.Weigh(unit, host, state.At) is not { Must: <= 0 } change)
                continue;
            var cost = (change.Should, state.LoadWith(unit, host));
            if (cost.CompareTo(least) < 0)
                (best, least) = (host, cost);
        }

        if (best < 0)
            return false;
        var (whole, id) = (units.Whole, state.Cluster.Vms[unit].Id);
        var others = state.Cluster.Machines[unit] - 1;
        var reason = string.Create(
            CultureInfo.InvariantCulture,
            $"{whole.Hosts[best].Id} is the least loaded that may take it{(others > 0 ? $" and the {others} it is kept together with" : "")}: {100 * least.Load:0.0} % of its scarcer resource with it");
        moves.AddRange(units.MembersOf(id).Select(vm => new PlannedMove(whole.Vms[vm].Id, whole.Hosts[left].Id, whole.Hosts[best].Id, whole.Gb[vm], reason)
        {
            With = whole.Vms[vm].Id == id ? null : id,
        }));
        state.Move(unit, best);
        return true;
    }

    private static IEnumerable<StuckVm> Stuck(MoveUnits units, ClusterState state, int unit, int left)
    {
        var others = state.Cluster.Machines[unit] - 1;
        var group = others > 0 ? $", for it and the {others} it is kept together with" : "";
        ImmutableArray<HostReason> reasons =
        [
            .. Enumerable.Range(0, state.CpuLoad.Length).Where(host => host != left)
                .Select(host => new HostReason(state.Cluster.Hosts[host].Id, string.Join(", ", HostRefusals.OfForced(state, unit, host)) + group)),
        ];
        return units.MembersOf(state.Cluster.Vms[unit].Id).Select(vm => new StuckVm(units.Whole.Vms[vm].Id, reasons));
    }
}
