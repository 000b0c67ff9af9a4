using Alveare.Planning.Clusters;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>The best placement of a tiny cluster within a number of moves, by branch and bound over every placement: the oracle.</summary>
internal static class ExactBalancer
{
    /// <summary>The least sum of the standard deviations of CPU and memory that so many moves can bring.</summary>
    public static double LeastDeviation(Cluster cluster, int most) => Least(cluster, new ClusterState(cluster), 0, most);

    public static double Deviation(ClusterState state) => Deviation(state.CpuLoad) + Deviation(state.MemLoad);

    private static double Least(Cluster cluster, ClusterState state, int vm, int left)
    {
        if (vm == cluster.Vms.Length || left == 0)
            return Deviation(state);
        var least = Least(cluster, state, vm + 1, left);
        for (var host = 0; host < cluster.Hosts.Length; host++)
        {
            if (host == cluster.Start[vm] || !state.HasRoom(vm, host))
                continue;
            state.Move(vm, host);
            least = Math.Min(least, Least(cluster, state, vm + 1, left - 1));
            state.Move(vm, cluster.Start[vm]);
        }

        return least;
    }

    private static double Deviation(double[] load)
    {
        var mean = load.Average();
        return Math.Sqrt(load.Average(l => (l - mean) * (l - mean)));
    }
}
