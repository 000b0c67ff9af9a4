using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>The best that a few moves can do in a tiny cluster, by trying every sequence of them: the oracle.</summary>
internal static class ExactBalancer
{
    /// <summary>The least sum of the standard deviations of CPU and memory that so many moves can bring, each of another machine and each with
    /// room when it is made.</summary>
    public static double LeastDeviation(Cluster cluster, int most) => Least(new ClusterState(cluster), most);

    /// <summary>So many moves at most of which the last is wanted, after others that find room and break no rule; null when there are none.</summary>
    /// <param name="isWanted">Whether a move may be made, with the machines where they are then, and is one of those that are looked for.</param>
    /// <param name="mayHelp">Whether a machine may be moved to a host for another's sake.</param>
    public static string? Way(ClusterState state, int most, Func<int, int, bool> isWanted, Func<int, int, bool> mayHelp)
    {
        var (cluster, rules) = (state.Cluster, state.Cluster.Rules);
        for (var vm = 0; vm < state.At.Length && most > 0; vm++)
        {
            for (var host = 0; host < state.CpuLoad.Length; host++)
            {
                var (from, move) = (state.At[vm], $"{cluster.Vms[vm].Id} to {cluster.Hosts[host].Id}");
                if (host == from || !state.HasRoom(vm, host))
                    continue;
                if (isWanted(vm, host))
                    return move;
                if (!mayHelp(vm, host) || rules.RulesOf(vm).ToArray().Any(rule => rules.Change(rule, vm, host, state.At) > 0))
                    continue;
                state.Move(vm, host);
                var rest = Way(state, most - 1, isWanted, mayHelp);
                state.Move(vm, from);
                if (rest is not null)
                    return $"{move}, {rest}";
            }
        }

        return null;
    }

    /// <summary>A single move that finds room, breaks no rule and is worth its price at a level, at the highest to plain greedy moves too; null when there is none.</summary>
    public static string? WorthyMove(Cluster cluster, BalanceLevel level)
    {
        var state = new ClusterState(cluster);
        if (Deviation(state.CpuLoad) <= level.GoalIn(cluster) && Deviation(state.MemLoad) <= level.GoalIn(cluster))
            return null;
        const double GreedyPriceOfHost = 0.001;
        var (perGb, before, deviations) = (level.PriceIn(cluster) / cluster.MeanHostGb, Squares(state), Deviations(state));
        for (var vm = 0; vm < state.At.Length; vm++)
        {
            for (var host = 0; host < state.CpuLoad.Length; host++)
            {
                var from = state.At[vm];
                if (host == from || !state.MayMove(vm, host))
                    continue;
                state.Move(vm, host);
                var gain = before - Squares(state) - (perGb * cluster.Gb[vm]);
                var isWorthItToGreedy = level.Number < BalanceLevel.Highest || deviations - Deviations(state) > (GreedyPriceOfHost * cluster.Gb[vm] / cluster.MeanHostGb) + 1e-9;
                state.Move(vm, from);
                if (gain > 1e-9 && isWorthItToGreedy)
                    return $"{cluster.Vms[vm].Id} to {cluster.Hosts[host].Id} gains {gain}";
            }
        }

        return null;
    }

    private static double Squares(ClusterState state) =>
        state.CpuLoad.Length * (Math.Pow(Deviation(state.CpuLoad), 2) + Math.Pow(Deviation(state.MemLoad), 2));

    private static double Least(ClusterState state, int left)
    {
        var least = Deviations(state);
        if (left == 0)
            return least;
        for (var vm = 0; vm < state.At.Length; vm++)
        {
            var start = state.Cluster.Start[vm];
            for (var host = 0; host < state.CpuLoad.Length && state.At[vm] == start; host++)
            {
                if (host == start || !state.HasRoom(vm, host))
                    continue;
                state.Move(vm, host);
                least = Math.Min(least, Least(state, left - 1));
                state.Move(vm, start);
            }
        }

        return least;
    }

    private static double Deviations(ClusterState state) => Deviation(state.CpuLoad) + Deviation(state.MemLoad);

    private static double Deviation(double[] load)
    {
        var mean = load.Average();
        return Math.Sqrt(load.Average(l => (l - mean) * (l - mean)));
    }
}
