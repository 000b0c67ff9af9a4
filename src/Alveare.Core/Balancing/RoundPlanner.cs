using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Clusters;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Core.Balancing;

/// <summary>Decides a round of balancing: a function of what was read of the cluster and what is known of earlier moves.</summary>
internal static class RoundPlanner
{
    /// <param name="resting">Machines that were moved, or refused to move, lately: why each is left alone.</param>
    public static RoundPlan Plan(ClusterReading reading, MoveTerms terms, IReadOnlyDictionary<EntityId, string> resting)
    {
        if (reading.Snapshot.Hosts.Length < 2)
            return RoundPlan.Nothing;
        var modeOf = Modes(reading, resting);
        var (automatic, after) = Moves(reading, reading.Snapshot, terms, vm => modeOf[vm] == BalanceMode.Full);
        var (recommended, _) = Moves(reading, after, terms, vm => modeOf[vm] is BalanceMode.Manual or BalanceMode.Partial);
        return new([.. automatic.Select(m => Named(reading, m))], [.. recommended.Select(m => Named(reading, m))]);
    }

    /// <summary>What may be done with each machine now; null for nothing.</summary>
    /// <remarks>Machines that must be together are moved together or not at all: of their modes that one counts by which least is done by itself.</remarks>
    private static Dictionary<string, BalanceMode?> Modes(ClusterReading reading, IReadOnlyDictionary<EntityId, string> resting)
    {
        var cluster = new Cluster(reading.Snapshot);
        var units = MoveUnits.Of(cluster, cluster.Start);
        var modes = new Dictionary<string, BalanceMode?>(StringComparer.Ordinal);
        foreach (var unit in Enumerable.Range(0, cluster.Vms.Length).GroupBy(units.UnitOf, vm => cluster.Vms[vm].Id, StringComparer.Ordinal))
        {
            // None at all comes first in this order, then manual, partial and full.
            var least = unit.Select(Own).Order().First();
            foreach (var vm in unit)
                modes[vm] = least;
        }

        return modes;

        BalanceMode? Own(string vm) =>
            reading.Stays.ContainsKey(vm) || resting.ContainsKey(reading.Vms[vm]) ? null : reading.Cluster.Balancing.ModeOf(reading.Vms[vm]);
    }

    /// <summary>Moves of single machines and of groups, each of which its first machine stands for; and the cluster after them.</summary>
    /// <remarks>Machines that only should be together are parted to mend a rule that counts more. So they move one by one like any other, and as a group only
    /// in a round in which nothing else is to be done.</remarks>
    private static (ImmutableArray<ValuedMove> Moves, ClusterSnapshot After) Moves(
        ClusterReading reading, ClusterSnapshot snapshot, MoveTerms terms, Func<string, bool> mayMove)
    {
        if (!snapshot.Vms.Any(v => mayMove(v.Id)))
            return ([], snapshot);
        // What stays counts as load all the same.
        var cluster = new Cluster(snapshot.WithStaying(v => !mayMove(v.Id)));
        var level = BalanceLevel.Of(reading.Cluster.Balancing.Level);
        var bound = MoveUnits.Of(cluster, cluster.Start);
        var moves = Worthwhile(bound, level, terms);
        if (moves.IsEmpty && MoveUnits.Of(cluster, cluster.Start, withPreferences: true) is var preferred && preferred.Cluster.Vms.Length < bound.Cluster.Vms.Length)
            moves = [.. Worthwhile(preferred, level, terms).SelectMany(m => Parts(m, preferred, bound))];
        var to = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var move in moves)
        {
            foreach (var vm in bound.MembersOf(move.Move.Vm))
                to[cluster.Vms[vm].Id] = move.Move.To;
        }

        return (moves, snapshot.WithMoved(to));
    }

    private static ImmutableArray<ValuedMove> Worthwhile(MoveUnits units, BalanceLevel level, MoveTerms terms) =>
        CostBenefit.Worthwhile(units.Cluster, Balancer.Moves(units.Cluster, level, isThorough: false), terms.Of(units));

    /// <summary>A move of machines that should be together, as moves of those of them that must be.</summary>
    private static IEnumerable<ValuedMove> Parts(ValuedMove move, MoveUnits preferred, MoveUnits bound)
    {
        var members = preferred.MembersOf(move.Move.Vm).Select(bound.UnitOf).Distinct(StringComparer.Ordinal).ToList();
        return members.Count == 1
            ? [move]
            : members.Select(m => move with { Move = move.Move with { Vm = m, Reason = $"{string.Join(", ", members)} together, as a rule prefers: {move.Move.Reason}" } });
    }

    private static ClusterMove Named(ClusterReading reading, ValuedMove move) => new(
        reading.Vms[move.Move.Vm],
        move.Move.Vm,
        reading.Hosts[move.Move.From],
        move.Move.From,
        reading.Hosts[move.Move.To],
        move.Move.To,
        move.MendsRule
            ? move.Move.Reason
            : string.Create(CultureInfo.InvariantCulture, $"{move.Move.Reason}; it brings {move.Gain:0} GHz s in the {move.HoldsSeconds:0} s that the load is expected to last, and costs {move.Cost:0.0}"),
        move.Gain,
        move.Cost);
}
