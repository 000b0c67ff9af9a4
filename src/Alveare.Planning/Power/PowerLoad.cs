using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Power;

/// <summary>What the machines of a cluster need together: what they ask for, are promised, or are expected to ask for, whichever is most.</summary>
/// <remarks>Promises count as load: a machine that starts finds no room among what is promised, however little of it is used.</remarks>
internal readonly record struct PowerLoad(double CpuMhz, double MemMb)
{
    public static PowerLoad Of(PowerView view, HourLoad? expected)
    {
        var vms = view.Snapshot.Vms;
        return new(
            Most(vms.Sum(Cluster.CpuOf), Math.Max(vms.Sum(v => v.CpuReservationMhz), view.PromisedMhz), expected?.CpuMhz ?? 0),
            Most(vms.Sum(Cluster.MemOf), Math.Max(vms.Sum(v => v.MemReservationMb), view.PromisedMb), expected?.MemMb ?? 0));
    }

    /// <summary>The share of the hosts' scarcer resource that is needed.</summary>
    public double Of(IReadOnlyCollection<SnapshotHost> hosts) => hosts.Count == 0
        ? CpuMhz > 0 || MemMb > 0 ? double.PositiveInfinity : 0
        : Math.Max(CpuMhz / hosts.Sum(h => h.CpuMhz), MemMb / hosts.Sum(h => h.MemMb));

    /// <summary>Whether the hosts could carry it if any one of them failed.</summary>
    public bool FitsWithoutOne(IReadOnlyCollection<SnapshotHost> hosts)
    {
        if (hosts.Count < 2)
            return false;
        return CpuMhz <= hosts.Sum(h => h.CpuMhz) - hosts.Max(h => h.CpuMhz) && MemMb <= hosts.Sum(h => h.MemMb) - hosts.Max(h => h.MemMb);
    }

    private static double Most(double asked, double promised, double expected) => Math.Max(asked, Math.Max(promised, expected));
}
