using System.Collections.Immutable;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Balancing;

/// <summary>Where the machines of one host go, when it is to be empty or has failed.</summary>
/// <param name="Moves">In their order; one that makes room for a later one has its machine in <see cref="PlannedMove.For"/>.</param>
/// <param name="Stuck">Machines that go nowhere.</param>
public sealed record EvacuationPlan(ImmutableArray<PlannedMove> Moves, ImmutableArray<StuckVm> Stuck, ClusterFigures Before, ClusterFigures After);

/// <summary>A machine that finds no host.</summary>
/// <param name="Reasons">Why, for each other host.</param>
public sealed record StuckVm(string Vm, ImmutableArray<HostReason> Reasons);

/// <summary>Plans to empty a host, or to restart elsewhere what ran on one that failed.</summary>
/// <remarks>The machine that takes most memory first, because it is the one that ends up with nowhere to go; machines that must be together go as
/// one. Each goes where the fewest rules that should hold are broken, of such hosts where the scarcer of CPU and memory is least loaded with it, as placement counts it. Ties go to
/// the lower id. For one that finds no host a few others move out of the way first (see <see cref="WayFinder"/>), unless their own modes say that nobody but an
/// administrator moves them.</remarks>
public static class Evacuation
{
    /// <summary>The machines run, and move live one after the other.</summary>
    /// <param name="mayHelp">Which machines of other hosts may be moved to make room; null for all of them.</param>
    public static EvacuationPlan Maintenance(ClusterSnapshot snapshot, string host, Func<string, bool>? mayHelp = null) =>
        Plan(snapshot, host, hasFailed: false, mayHelp ?? (_ => true));

    /// <summary>The host has failed: its machines are started again elsewhere, some of them once others have made room.</summary>
    public static EvacuationPlan Failure(ClusterSnapshot snapshot, string host) => Plan(snapshot, host, hasFailed: true, _ => true);

    private static EvacuationPlan Plan(ClusterSnapshot snapshot, string host, bool hasFailed, Func<string, bool> mayHelp)
    {
        var whole = new Cluster(hasFailed ? snapshot with { Vms = [.. snapshot.Vms.Select(v => v.Host == host ? v.ToBeStarted() : v)] } : snapshot);
        var (left, at) = (whole.HostNumbers[host], whole.Start.ToArray());
        var moves = new List<PlannedMove>();
        ImmutableArray<StuckVm> stuck;
        bool hasMoved;
        // Anew for what is stuck: machines that have met by the moves, and must be together, go on as one.
        do
        {
            var clearing = new HostClearing(MoveUnits.Of(whole, at), left, hasFailed, MayHelp);
            clearing.Run();
            moves.AddRange(clearing.Moves);
            foreach (var move in clearing.Moves)
                at[whole.VmNumbers[move.Vm]] = whole.HostNumbers[move.To];
            (stuck, hasMoved) = (clearing.Stuck(), clearing.Moves.Count > 0);
        }
        while (hasMoved && !stuck.IsEmpty);

        return Outcome(whole, left, hasFailed, [.. moves], stuck);

        bool MayHelp(string vm) => whole.VmNumbers[vm] is var number && whole.Start[number] != left && whole.Vms[number].MayMakeRoom && mayHelp(vm);
    }

    private static EvacuationPlan Outcome(Cluster cluster, int left, bool hasFailed, ImmutableArray<PlannedMove> moves, ImmutableArray<StuckVm> stuck)
    {
        var state = new ClusterState(cluster);
        var before = ClusterFigures.Of(state);
        foreach (var vm in stuck.Where(_ => hasFailed))
            state.Move(cluster.VmNumbers[vm.Vm], ClusterState.Nowhere);
        foreach (var move in moves)
            state.Move(cluster.VmNumbers[move.Vm], cluster.HostNumbers[move.To]);
        return new(moves, stuck, before, ClusterFigures.Of(state, without: left));
    }
}
