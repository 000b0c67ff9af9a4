using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>How a cluster stands: loads are shares of what a host has, deviations are over hosts.</summary>
/// <param name="MaxConsumed">Of the host whose memory is fullest, whether it is touched or not.</param>
/// <param name="Broken">Machines that break a rule, counted once per rule.</param>
public sealed record ClusterFigures(double SdCpu, double SdMem, double MaxCpu, double MaxMem, double MaxConsumed, int Broken)
{
    public static ClusterFigures Of(ClusterState state)
    {
        var spread = new Spread(state);
        var consumed = state.Consumed.Zip(state.MemPerMb, (mb, perMb) => mb * perMb);
        return new(
            spread.CpuDeviation,
            spread.MemDeviation,
            state.CpuLoad.DefaultIfEmpty(0).Max(),
            state.MemLoad.DefaultIfEmpty(0).Max(),
            consumed.DefaultIfEmpty(0).Max(),
            state.Broken);
    }
}
