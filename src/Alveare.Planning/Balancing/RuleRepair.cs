using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>Mends broken rules, one move at a time, each the one that costs least.</summary>
internal sealed class RuleRepair(ClusterState state, Spread spread, int[] home)
{
    public bool IsPossible() => Next(0) is not null;

    /// <param name="price">Spread that a GB is worth.</param>
    public void Run(double price)
    {
        while (Next(price) is var (vm, host))
            spread.Move(vm, host);
    }

    private (int Vm, int Host)? Next(double price)
    {
        var rules = state.Cluster.Rules;
        (int, int)? best = null;
        var least = double.PositiveInfinity;
        for (var rule = 0; rule < rules.Count; rule++)
        {
            if (rules.Broken(rule, state.At) == 0)
                continue;
            foreach (var vm in rules.MembersOf(rule))
            {
                for (var host = 0; host < state.CpuLoad.Length; host++)
                {
                    if (host == state.At[vm] || rules.Change(vm, host, state.At) >= 0 || !state.HasRoom(vm, host))
                        continue;
                    var cost = spread.Change(vm, host) + (price * (state.At[vm] == home[vm] ? state.Cluster.Gb[vm] : 0));
                    if (cost < least)
                        (best, least) = ((vm, host), cost);
                }
            }
        }

        return best;
    }
}
