using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>How a cluster stands: loads are shares of what a host has, deviations are over hosts.</summary>
/// <param name="MaxConsumed">Of the host whose memory is fullest, whether it is touched or not.</param>
/// <param name="Broken">Machines that break a rule, counted once per rule.</param>
public sealed record ClusterFigures(double SdCpu, double SdMem, double MaxCpu, double MaxMem, double MaxConsumed, int Broken)
{
    /// <param name="without">A host that does not count any more.</param>
    public static ClusterFigures Of(ClusterState state, int without = -1)
    {
        var hosts = Enumerable.Range(0, state.CpuLoad.Length).Where(h => h != without).ToArray();
        return new(
            Deviation(hosts, state.CpuLoad),
            Deviation(hosts, state.MemLoad),
            hosts.Select(h => state.CpuLoad[h]).DefaultIfEmpty(0).Max(),
            hosts.Select(h => state.MemLoad[h]).DefaultIfEmpty(0).Max(),
            hosts.Select(h => state.Consumed[h] * state.MemPerMb[h]).DefaultIfEmpty(0).Max(),
            state.Broken);
    }

    private static double Deviation(int[] hosts, double[] load)
    {
        if (hosts.Length == 0)
            return 0;
        var mean = hosts.Average(h => load[h]);
        return Math.Sqrt(hosts.Average(h => (load[h] - mean) * (load[h] - mean)));
    }
}
