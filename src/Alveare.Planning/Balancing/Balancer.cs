using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Balancing;

/// <summary>Decides which machines of a cluster move where, so that rules are kept and load is even.</summary>
public static class Balancer
{
    /// <summary>Enough for any cluster seen; each pass lowers the spread by what its moves cost at least, so there is an end.</summary>
    private const int MostPasses = 20;

    /// <param name="maxMoves">Null for as many as are worth it.</param>
    public static BalancePlan Plan(ClusterSnapshot snapshot, BalanceLevel level, int? maxMoves = null)
    {
        var cluster = new Cluster(snapshot);
        var state = new ClusterState(cluster);
        var before = ClusterFigures.Of(state);
        var moves = new List<PlannedMove>();
        if (cluster.Hosts.Length > 1)
            Fill(state, level, maxMoves ?? int.MaxValue, moves);
        return new BalancePlan([.. moves], before, ClusterFigures.Of(state));
    }

    private static void Fill(ClusterState state, BalanceLevel level, int most, List<PlannedMove> moves)
    {
        for (var pass = 0; pass < MostPasses && moves.Count < most; pass++)
        {
            var home = state.At.ToArray();
            var spread = new Spread(state);
            var descent = new PriceDescent(state, spread, home, level);
            if (!descent.IsNeeded())
                break;
            descent.Run();
            var targets = state.At.ToArray();
            Restore(state, home);
            spread.Recount();
            MoveOrder.Run(state, spread, targets, (vm, to) => moves.Add(MoveReason.Move(state, vm, to)));
        }

        if (moves.Count > most)
            moves.RemoveRange(most, moves.Count - most);
    }

    private static void Restore(ClusterState state, int[] placement)
    {
        for (var vm = 0; vm < placement.Length; vm++)
        {
            if (state.At[vm] != placement[vm])
                state.Move(vm, placement[vm]);
        }
    }
}
