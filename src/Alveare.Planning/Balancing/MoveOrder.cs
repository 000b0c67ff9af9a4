using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>Finds the order in which a placement can be reached, so that every single move finds room and breaks no rule.</summary>
/// <remarks>What mends a rule comes first, then what gains most: whoever stops half-way has the better half. Gains change with every move made,
/// so they are looked at again after every few: of thousands of moves the order within a few matters little.</remarks>
internal static class MoveOrder
{
    // Above any change of the spread by one move, so that rules come first.
    private const double PerRule = 1e6;
    private const double PerMust = 1e6;
    private const int Rounds = 32;

    /// <summary>Moves the state from where it is towards the targets, as far as it can.</summary>
    /// <param name="moved">Told of every move just before it is made.</param>
    public static void Run(ClusterState state, Spread spread, int[] targets, Action<int, int> moved)
    {
        var waiting = Enumerable.Range(0, targets.Length).Where(vm => state.At[vm] != targets[vm]).ToArray();
        var ranks = new double[waiting.Length];
        while (waiting.Length > 0)
        {
            for (var i = 0; i < waiting.Length; i++)
                ranks[i] = Rank(state, spread, waiting[i], targets[waiting[i]]);
            Array.Sort(ranks, waiting, 0, waiting.Length);
            var made = Make(state, spread, targets, waiting, moved);
            if (made == 0)
                return;
            waiting = Array.FindAll(waiting, vm => state.At[vm] != targets[vm]);
        }
    }

    /// <summary>The moves from home to where the machines are, as far as there is an order of them; made.</summary>
    public static List<PlannedMove> From(int[] home, ClusterState state, Spread spread)
    {
        var (targets, moves) = (state.At.ToArray(), new List<PlannedMove>());
        spread.Place(home);
        Run(state, spread, targets, (vm, to) => moves.Add(MoveReason.Move(state, vm, to)));
        return moves;
    }

    private static double Rank(ClusterState state, Spread spread, int vm, int target)
    {
        var rules = state.Cluster.Rules.Weigh(vm, target, state.At);
        return spread.Change(vm, target) + (((rules.Must * PerMust) + rules.Should) * PerRule);
    }

    private static int Make(ClusterState state, Spread spread, int[] targets, int[] waiting, Action<int, int> moved)
    {
        var (made, most) = (0, Math.Max(1, waiting.Length / Rounds));
        foreach (var vm in waiting)
        {
            if (!state.MayMove(vm, targets[vm]))
                continue;
            moved(vm, targets[vm]);
            spread.Move(vm, targets[vm]);
            if (++made == most)
                break;
        }

        return made;
    }
}
