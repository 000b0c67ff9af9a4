using Alveare.Planning.Clusters;
using Alveare.Planning.Rules;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Balancing;

/// <summary>Decides which machines of a cluster move where, so that rules are kept and load is even.</summary>
/// <remarks>Rules first, then load: see <see cref="PriceDescent"/> for as many moves as are worth it, <see cref="Annealing"/> for the best few, and
/// <see cref="MoveOrder"/> for the order. Planning again on the outcome finds nothing, because a pass that found nothing on it was the last.</remarks>
public static class Balancer
{
    /// <summary>Enough for any cluster seen; each pass lowers the spread by what its moves cost at least, so there is an end.</summary>
    private const int MostPasses = 20;

    /// <summary>What a broken rule counts beside the standard deviations when moves are few: with that it is nearly always mended, but does not
    /// take all moves from a host that is in distress.</summary>
    private const double MendingInBudget = 0.04;

    private const double PriceInBudget = 0.0001;

    // Wide first, because the first moves that rules ask for may lead into a corner; then near what was found. Very wide at last, for small
    // clusters, where every move is a big step and the best few may have none in common with what was found. A pass never loses what it began with.
    private static readonly double[] BudgetHeats = [0.03, 0.01, 0.003, 0.0007, 0.3, 0.1];

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
        var detours = Detours(state, spread, level);
        var left = maxMoves - Machines(units, detours);
        if (left < 0)
        {
            (detours, left) = ([], maxMoves);
            spread.Place(units.Start);
        }

        var home = state.At.ToArray();
        var moves = All(state, spread, level, isThorough);
        return [.. detours, .. left is { } most && Machines(units, moves) > most ? Best(state, spread, home, level, moves, most) : moves];
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

    private static int Machines(Cluster units, List<PlannedMove> moves) => moves.Sum(m => units.Machines[units.VmNumbers[m.Vm]]);

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
            var made = OrderedFrom(home, state, spread);
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
        var moves = OrderedFrom(start, state, spread);
        var isComplete = state.At.AsSpan().SequenceEqual(targets);
        spread.Place(targets);
        return isComplete ? moves : null;
    }

    private static List<PlannedMove> Best(ClusterState state, Spread spread, int[] home, BalanceLevel level, List<PlannedMove> moves, int most)
    {
        var cluster = state.Cluster;
        spread.Place(home);
        var (broken, deviation, machines) = (state.Broken, spread.CpuDeviation + spread.MemDeviation, 0);
        List<PlannedMove> best = [.. moves.TakeWhile(m => (machines += cluster.Machines[cluster.VmNumbers[m.Vm]]) <= most)];
        Make(state, spread, best);
        var least = Cost(best);
        if (level.Number > BalanceLevel.RulesOnly)
        {
            AnnealFrom(best);
            spread.Place(home);
            var steepest = Steepest(state, spread, most);
            KeepIfBetter(steepest);
            AnnealFrom(steepest);
        }

        spread.Place(home);
        Make(state, spread, best);
        // The first moves of a long plan may bring nothing without the others.
        return state.Broken < broken || spread.CpuDeviation + spread.MemDeviation < deviation ? best : [];

        // Freely at first, which finds more; where no order leads to what that found, among what breaks no more than is broken.
        void AnnealFrom(List<PlannedMove> first)
        {
            foreach (var limit in (ReadOnlySpan<RuleChange>)[RuleChange.Any, cluster.Rules.Weigh(home)])
            {
                spread.Place(home);
                Make(state, spread, first);
                Anneal(state, spread, home, most, limit);
                var targets = state.At.ToArray();
                KeepIfBetter(OrderedFrom(home, state, spread));
                if (state.At.AsSpan().SequenceEqual(targets))
                    break;
            }
        }

        void KeepIfBetter(List<PlannedMove> made)
        {
            if (Cost(made) is var cost && cost < least)
                (best, least) = (made, cost);
        }

        double Cost(List<PlannedMove> made) =>
            spread.CpuDeviation + spread.MemDeviation + (MendingInBudget * state.Broken) + (PriceInBudget * made.Sum(m => m.Gb) / cluster.MeanHostGb);
    }

    private static List<PlannedMove> Steepest(ClusterState state, Spread spread, int most)
    {
        var moves = new List<PlannedMove>();
        new SteepestMoves(state, spread, MendingInBudget, PriceInBudget / state.Cluster.MeanHostGb).Run(most, (vm, to) => moves.Add(MoveReason.Move(state, vm, to)));
        return moves;
    }

    private static void Anneal(ClusterState state, Spread spread, int[] home, int most, RuleChange mayBreak)
    {
        foreach (var heat in BudgetHeats)
        {
            var pace = new AnnealingPace(AnnealingPace.StepsFor(state.Cluster), heat, SpreadMeasure.Deviations, PriceInBudget, MendingInBudget, mayBreak);
            new Annealing(state, spread, home, most, pace).Run();
        }
    }

    private static void Make(ClusterState state, Spread spread, List<PlannedMove> moves)
    {
        foreach (var move in moves)
            spread.Move(state.Cluster.VmNumbers[move.Vm], state.Cluster.HostNumbers[move.To]);
    }

    /// <summary>The moves from home to where the machines are, as far as there is an order of them; made.</summary>
    private static List<PlannedMove> OrderedFrom(int[] home, ClusterState state, Spread spread)
    {
        var (targets, moves) = (state.At.ToArray(), new List<PlannedMove>());
        spread.Place(home);
        MoveOrder.Run(state, spread, targets, (vm, to) => moves.Add(MoveReason.Move(state, vm, to)));
        return moves;
    }
}
