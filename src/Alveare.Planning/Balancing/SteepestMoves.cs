using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>The plainest moves: always the one that is best now.</summary>
/// <remarks>Steepest descent on the sum of the two deviations, on which the price descent does not work: where moves are few, or machines few and big, it now and then ends
/// nearer to the best. Each machine moves once at most unless it may move again, and no move breaks a rule.</remarks>
/// <param name="mending">What one broken rule counts.</param>
/// <param name="pricePerGb">What a GB counts.</param>
internal sealed class SteepestMoves(ClusterState state, Spread spread, double mending, double pricePerGb)
{
    /// <summary>Moves that are looked at, all in all: some tenths of a second. Where they are not enough fewer moves are made.</summary>
    private const long MostLooks = 20_000_000;

    private readonly bool[] _hasMoved = new bool[state.At.Length];
    private long _looks = MostLooks;

    /// <summary>A machine may move more than once.</summary>
    public bool MayMoveAgain { get; init; }

    /// <summary>Makes the moves, as long as one is worth it.</summary>
    /// <param name="most">Of so many machines.</param>
    /// <param name="moving">Told of every move just before it is made.</param>
    /// <returns>Whether there were looks enough for all moves that are worth it.</returns>
    public bool Run(int most, Action<int, int>? moving = null)
    {
        while (Next(most) is var (vm, to))
        {
            moving?.Invoke(vm, to);
            spread.Move(vm, to);
            _hasMoved[vm] = !MayMoveAgain;
            most -= state.Cluster.Machines[vm];
        }

        return _looks >= 0;
    }

    private (int Vm, int To)? Next(int most)
    {
        (int, int)? best = null;
        var least = -Spread.LeastGain;
        _looks -= (long)_hasMoved.Length * state.CpuLoad.Length;
        if (_looks < 0)
            return null;
        for (var vm = 0; vm < _hasMoved.Length; vm++)
        {
            if (_hasMoved[vm] || state.Cluster.Machines[vm] > most)
                continue;
            for (var to = 0; to < state.CpuLoad.Length; to++)
            {
                if (to != state.At[vm] && Cost(vm, to) is var cost && cost < least && state.MayMove(vm, to))
                    (best, least) = ((vm, to), cost);
            }
        }

        return best;
    }

    private double Cost(int vm, int to)
    {
        var broken = 0;
        if (state.Cluster.Rules.HasRules(vm))
        {
            if (state.Cluster.Rules.Weigh(vm, to, state.At).IsWorse)
                return double.PositiveInfinity;
            broken = state.Cluster.Rules.Change(vm, to, state.At);
        }

        return spread.DeviationsChange(vm, to) + (mending * broken) + (pricePerGb * state.Cluster.Gb[vm]);
    }
}
