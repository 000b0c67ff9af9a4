using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>Finds the order in which a placement can be reached, so that every single move finds room and breaks no rule.</summary>
/// <remarks>What mends a rule comes first, then what gains most: whoever stops half-way has the better half.</remarks>
internal static class MoveOrder
{
    /// <summary>Moves the state from where it is towards the targets, as far as it can.</summary>
    /// <param name="moved">Told of every move just before it is made.</param>
    public static void Run(ClusterState state, Spread spread, int[] targets, Action<int, int> moved)
    {
        var waiting = Enumerable.Range(0, targets.Length).Where(vm => state.At[vm] != targets[vm]).ToList();
        while (waiting.Count > 0)
        {
            var next = Next(state, spread, targets, waiting);
            if (next < 0)
                return;
            var vm = waiting[next];
            moved(vm, targets[vm]);
            spread.Move(vm, targets[vm]);
            waiting[next] = waiting[^1];
            waiting.RemoveAt(waiting.Count - 1);
        }
    }

    private static int Next(ClusterState state, Spread spread, int[] targets, List<int> waiting)
    {
        var (best, least) = (-1, (Rules: 1, Change: double.PositiveInfinity, Vm: 0));
        for (var i = 0; i < waiting.Count; i++)
        {
            var vm = waiting[i];
            var rules = state.Cluster.Rules.HasRules(vm) ? state.Cluster.Rules.Change(vm, targets[vm], state.At) : 0;
            if (rules > least.Rules)
                continue;
            var rank = (rules, spread.Change(vm, targets[vm]), vm);
            if (rank.CompareTo(least) < 0 && rules <= 0 && state.HasRoom(vm, targets[vm]))
                (best, least) = (i, rank);
        }

        return best;
    }
}
