using Alveare.Planning.Clusters;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>The best that a few moves can do in a tiny cluster, by trying every sequence of them: the oracle.</summary>
internal static class ExactBalancer
{
    /// <summary>The least sum of the standard deviations of CPU and memory that so many moves can bring, each of another machine and each with
    /// room when it is made.</summary>
    public static double LeastDeviation(Cluster cluster, int most) => Least(new ClusterState(cluster), most);

    /// <summary>So many moves at most of which the last mends more than it breaks, after others that find room and break no rule; null when there are none.</summary>
    public static string? Repair(ClusterState state, int most)
    {
        var (cluster, rules) = (state.Cluster, state.Cluster.Rules);
        for (var vm = 0; vm < state.At.Length && most > 0; vm++)
        {
            for (var host = 0; host < state.CpuLoad.Length; host++)
            {
                var (from, move) = (state.At[vm], $"{cluster.Vms[vm].Id} to {cluster.Hosts[host].Id}");
                if (host == from || !state.HasRoom(vm, host))
                    continue;
                if (rules.Weigh(vm, host, state.At).IsBetter)
                    return move;
                if (rules.RulesOf(vm).ToArray().Any(rule => rules.Change(rule, vm, host, state.At) > 0))
                    continue;
                state.Move(vm, host);
                var rest = Repair(state, most - 1);
                state.Move(vm, from);
                if (rest is not null)
                    return $"{move}, {rest}";
            }
        }

        return null;
    }

    private static double Least(ClusterState state, int left)
    {
        var least = Deviation(state.CpuLoad) + Deviation(state.MemLoad);
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

    private static double Deviation(double[] load)
    {
        var mean = load.Average();
        return Math.Sqrt(load.Average(l => (l - mean) * (l - mean)));
    }
}
