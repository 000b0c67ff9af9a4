using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>Mends broken rules, those that must hold and those of higher priority first, each by the moves that cost least.</summary>
internal sealed class RuleRepair(ClusterState state, Spread spread, int[] home)
{
    public bool IsPossible()
    {
        for (var rule = 0; rule < state.Cluster.Rules.Count; rule++)
        {
            if (Next(rule, 0) is not null)
                return true;
        }

        return false;
    }

    /// <param name="price">Spread that a GB is worth.</param>
    /// <param name="moved">Told of every move just before it is made.</param>
    public void Run(double price, Action<int, int>? moved = null)
    {
        // What mends one rule may make room, or the way, for another.
        for (var mended = true; mended;)
        {
            mended = false;
            for (var rule = 0; rule < state.Cluster.Rules.Count; rule++)
            {
                while (Next(rule, price) is var (vm, host))
                {
                    moved?.Invoke(vm, host);
                    spread.Move(vm, host);
                    mended = true;
                }
            }
        }
    }

    /// <summary>Whether a move mends more than it breaks, and finds room.</summary>
    public static bool MayMend(ClusterState state, int vm, int host) => state.Cluster.Rules.Weigh(vm, host, state.At).IsBetter && state.HasRoom(vm, host);

    private (int Vm, int Host)? Next(int rule, double price)
    {
        var rules = state.Cluster.Rules;
        if (rules.Broken(rule, state.At) == 0)
            return null;
        (int, int)? best = null;
        var least = double.PositiveInfinity;
        foreach (var vm in rules.MembersOf(rule))
        {
            var cost = price * (state.At[vm] == home[vm] ? state.Cluster.Gb[vm] : 0);
            var changes = spread.Changes(vm);
            for (var host = 0; host < changes.Length; host++)
            {
                if (changes[host] + cost < least && host != state.At[vm] && MayMend(state, vm, host))
                    (best, least) = ((vm, host), changes[host] + cost);
            }
        }

        return best;
    }
}
