using Alveare.Planning.Clusters;
using Alveare.Planning.Rules;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Balancing;

/// <summary>Decides which machines of a cluster move where, so that rules are kept and load is even.</summary>
/// <remarks>Rules first, then load: see <see cref="PriceDescent"/> for as many moves as are worth it, <see cref="BudgetedMoves"/> for the best few, and
/// <see cref="MoveOrder"/> for the order. Planning again on the outcome finds nothing, because a pass that found nothing on it was the last.</remarks>
public static class Balancer
{
    /// <summary>Enough for any cluster seen; each pass lowers the spread by what its moves cost at least, so there is an end.</summary>
    private const int MostPasses = 20;

    /// <param name="maxMoves">Null for as many as are worth it.</param>
    public static BalancePlan Plan(ClusterSnapshot snapshot, BalanceLevel level, int? maxMoves = null) => Plan(new Cluster(snapshot), level, maxMoves);

    /// <inheritdoc cref="Plan(ClusterSnapshot, BalanceLevel, int?)"/>
    public static BalancePlan Plan(Cluster cluster, BalanceLevel level, int? maxMoves = null, bool isThorough = true)
    {
        var state = new ClusterState(cluster);
        var before = ClusterFigures.Of(state);
        var moves = new List<PlannedMove>();
        MoveUnits? units = null;
        // What was mended may have made new groups: then once more, with those as units.
        for (var pass = 0; pass < MostPasses && units?.AreThoseAt(state.At) != true; pass++)
        {
            units = MoveUnits.Of(cluster, state.At, doKeptStay: true);
            var made = Moves(units.Cluster, level, maxMoves - moves.Count, isThorough);
            if (made.Count == 0)
                break;
            foreach (var move in made)
                Make(state, units, move, moves);
        }

        return new(
            [.. moves],
            before,
            ClusterFigures.Of(state),
            [.. RuleConflicts.Of(cluster.Snapshot.Rules, cluster.HostNumbers.Keys)],
            [.. Enumerable.Range(0, cluster.Rules.Count).Where(r => cluster.Rules.Broken(r, state.At) > 0).Select(r => RuleText.Of(cluster.Rules[r]))]);
    }

    /// <summary>The moves of a cluster of units, each of a whole unit: see <see cref="MoveUnits"/>.</summary>
    /// <param name="maxMoves">So many machines; null for as many as are worth it.</param>
    /// <param name="isThorough">False where a plan is made every minute: the last few GB are then not looked for among many machines.</param>
    public static IReadOnlyList<PlannedMove> Moves(Cluster units, BalanceLevel level, int? maxMoves = null, bool isThorough = true)
    {
        if (units.Hosts.Length < 2 || maxMoves <= 0)
            return [];
        var state = new ClusterState(units);
        var spread = new Spread(state);
        var perGb = level.PriceIn(units) / units.MeanHostGb;
        var detours = Detours(state, spread, level);
        var bounds = detours.Count > 0 && PriceDescent.IsHeldAgainstGreedy(units, level, isThorough) ? GreedyBounds.Of(units.Start, state, spread, perGb) : null;
        var moves = All(state, spread, level, isThorough);
        var plan = (List<PlannedMove>)[.. detours, .. moves];
        var direct = moves;
        // What is made way for may find its way among the other moves too, which then move nothing twice.
        if (detours.Count > 0 && (isThorough || maxMoves is not null))
        {
            var detoured = Outcome(plan);
            spread.Place(units.Start);
            direct = All(state, spread, level, isThorough);
            plan = IsBetter(Outcome(direct), detoured) ? direct : plan;
        }

        if (maxMoves is not { } most || BudgetedMoves.Machines(units, plan) <= most)
            return plan;
        var few = new BudgetedMoves(state, spread, level, most);
        // Detours may take the moves that would even out a host in distress.
        if (detours.Count > 0)
            few.Try(detours, moves);
        few.Try([], direct);
        return few.Best();

        // Of moves that were just made.
        (RuleChange Rules, double Cost) Outcome(List<PlannedMove> made)
        {
            var gb = made.Sum(m => m.Gb);
            return (units.Rules.Weigh(state.At), spread.Total + (gb * perGb) + (bounds?.Penalty(gb, GreedyBounds.Weight) ?? 0));
        }

        static bool IsBetter((RuleChange Rules, double Cost) one, (RuleChange Rules, double Cost) other) => !(one.Rules - other.Rules).IsWorse && one.Cost < other.Cost;
    }

    // Of a group first goes whose own rule is mended by it, so that on the way no more are broken than were.
    private static void Make(ClusterState state, MoveUnits units, PlannedMove move, List<PlannedMove> moves)
    {
        var (cluster, to) = (units.Whole, state.Cluster.HostNumbers[move.To]);
        var left = units.MembersOf(move.Vm).ToList();
        for (string? first = null; left.Count > 0; first ??= moves[^1].Vm)
        {
            var next = left.MinBy(vm => cluster.Rules.Change(vm, to, state.At));
            left.Remove(next);
            state.Move(next, to);
            moves.Add(move with { Vm = cluster.Vms[next].Id, Gb = cluster.Gb[next], With = first });
        }
    }

    private static List<PlannedMove> Detours(ClusterState state, Spread spread, BalanceLevel level) =>
        new RuleDetours(state, spread).Run(level.PriceIn(state.Cluster) / state.Cluster.MeanHostGb);

    private static List<PlannedMove> All(ClusterState state, Spread spread, BalanceLevel level, bool isThorough)
    {
        var moves = Passes(state, spread, level, isThorough);
        // Where machines are now there may be a way for one that had none.
        while (moves.Count > 0 && Detours(state, spread, level) is { Count: > 0 } detours)
            moves = [.. moves, .. detours, .. Passes(state, spread, level, isThorough)];
        return moves;
    }

    private static List<PlannedMove> Passes(ClusterState state, Spread spread, BalanceLevel level, bool isThorough)
    {
        var (start, moves) = (state.At.ToArray(), new List<PlannedMove>());
        var isOneOrder = true;
        for (var pass = 0; pass < MostPasses; pass++)
        {
            var home = state.At.ToArray();
            var descent = new PriceDescent(state, spread, home, level, isThorough);
            if (!descent.IsNeeded())
                break;
            descent.Run();
            var made = MoveOrder.From(home, state, spread);
            var isOrdered = made.Count > 0 && descent.IsWorthIt();
            if (!isOrdered)
            {
                spread.Place(home);
                made = SingleMoves(descent, state);
            }

            if (made.Count == 0)
                break;
            isOneOrder = isOrdered && moves.Count == 0;
            moves.AddRange(made);
        }

        return !isOneOrder && Shortened(start, state, spread) is { } shorter ? shorter : moves;
    }

    /// <summary>Moves each of which can be made when it is its turn, for what was found was an exchange that no order of moves reaches: those that mend a rule,
    /// or else those that are worth it.</summary>
    private static List<PlannedMove> SingleMoves(PriceDescent descent, ClusterState state)
    {
        var moves = new List<PlannedMove>();
        void Moved(int vm, int to) => moves.Add(MoveReason.Move(state, vm, to));
        descent.Mend(Moved);
        if (moves.Count == 0)
            descent.Settle(Moved);
        return moves;
    }

    /// <summary>The moves of several passes as one, each machine once; null when that cannot be ordered.</summary>
    private static List<PlannedMove>? Shortened(int[] start, ClusterState state, Spread spread)
    {
        var targets = state.At.ToArray();
        var moves = MoveOrder.From(start, state, spread);
        var isComplete = state.At.AsSpan().SequenceEqual(targets);
        spread.Place(targets);
        return isComplete ? moves : null;
    }
}
