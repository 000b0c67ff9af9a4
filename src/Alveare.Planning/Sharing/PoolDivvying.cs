using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;

namespace Alveare.Planning.Sharing;

/// <summary>Splits the resource pools of a cluster among its hosts: of everything that a pool has, each host gets the part that the pool's machines
/// there are entitled to.</summary>
/// <remarks>So hosts can divide by themselves, each what it has, and yet hold a pool as a whole to its reservation, limit and shares
/// (Gulati et al., "VMware Distributed Resource Management", 2012, section 3: "divvying").</remarks>
public static class PoolDivvying
{
    // A host divides what it measures anew every few seconds: parts that differ by less are the same to it.
    private const double Same = 0.05;

    /// <summary>The pools as each host is to see them; a host on which no machine of any pool runs is not among them.</summary>
    /// <param name="cpu">In megahertz.</param>
    /// <param name="memory">In bytes.</param>
    /// <param name="devices">What the disks or network cards of each machine that runs and has such claim together.</param>
    /// <param name="pools">The cluster's, with all machines in them.</param>
    /// <param name="hosts">Where each machine is, running or not.</param>
    public static ImmutableDictionary<EntityId, ImmutableArray<HostPool>> Divvy(
        SharedWhole cpu, SharedWhole memory, Func<DeviceRate, IReadOnlyDictionary<EntityId, Claim>> devices, IReadOnlyCollection<HostPool> pools, IReadOnlyDictionary<EntityId, EntityId> hosts)
    {
        var tree = PoolTree.Of(cpu.Running, pools, PoolTree.CpuOf);
        var (cpus, bytes) = (PoolDivision.DivideAll(cpu.Capacity, tree), PoolDivision.DivideAll(memory.Capacity, PoolTree.Of(memory.Running, pools, PoolTree.MemoryOf)));
        var (iops, diskBytes, sent, received) = (Parts(DeviceRate.Iops), Parts(DeviceRate.DiskBytes), Parts(DeviceRate.Out), Parts(DeviceRate.In));
        var (weighDisks, weighNics) = (DeviceWeights.CountDisks(pools), DeviceWeights.CountNics(pools));
        var divvied = new Dictionary<EntityId, List<HostPool>>();
        var byId = pools.ToDictionary(p => p.Pool);
        foreach (var node in Pools(tree))
        {
            var pool = byId[node.Id];
            var machines = PoolTree.MachinesOf(node).ToList();
            foreach (var group in machines.GroupBy(m => hosts[m]))
            {
                var (host, here) = (group.Key, group.ToList());
                if (!divvied.TryGetValue(host, out var list))
                    divvied.Add(host, list = []);
                list.Add(pool with
                {
                    Cpu = Part(pool.Cpu, PartOf(cpus, here, machines)),
                    Memory = pool.Memory is { } control ? Part(control, PartOf(bytes, here, machines)) : null,
                    Disk = new DiskControl
                    {
                        IopsLimit = (int?)Part(pool.Disk.IopsLimit, iops, here, machines),
                        BandwidthLimit = BytesOf(Part(pool.Disk.BandwidthLimit?.Value, diskBytes, here, machines)),
                        Shares = weighDisks ? Part(pool.Disk.Shares ?? ShareScale.NormalPoolDisk, (double)here.Count / machines.Count) : null,
                    },
                    Network = new PoolNetworkControl
                    {
                        OutLimit = BytesOf(Part(pool.Network.OutLimit?.Value, sent, here, machines)),
                        InLimit = BytesOf(Part(pool.Network.InLimit?.Value, received, here, machines)),
                        Shares = weighNics ? Part(pool.Network.Shares ?? ShareScale.NormalPoolNic, (double)here.Count / machines.Count) : null,
                    },
                    Machines = [.. pool.Machines.Where(m => hosts.GetValueOrDefault(m) == host).Order()],
                });
            }
        }

        return divvied.ToImmutableDictionary(d => d.Key, d => d.Value.OrderBy(p => p.Pool).ToImmutableArray());

        ImmutableDictionary<EntityId, double> Parts(DeviceRate rate) =>
            rate.IsLimited(pools) ? rate.Divide(devices(rate), pools) : ImmutableDictionary<EntityId, double>.Empty;
    }

    // Machines without a device have no part.
    private static double PartOf(ImmutableDictionary<EntityId, double> parts, List<EntityId> here, List<EntityId> all) =>
        all.Sum(m => parts.GetValueOrDefault(m)) is var whole and > 0 ? here.Sum(m => parts.GetValueOrDefault(m)) / whole : (double)here.Count / all.Count;

    private static long? Part(long? limit, ImmutableDictionary<EntityId, double> parts, List<EntityId> here, List<EntityId> all) =>
        limit is { } whole ? Math.Max(1, (long)(whole * PartOf(parts, here, all))) : null;

    private static int Part(int shares, double part) => Math.Max(1, (int)Math.Round(shares * part));

    private static Bytes? BytesOf(long? count) => count is { } bytes ? new Bytes(bytes) : null;

    /// <summary>Whether a host that works with one division need not be told the other.</summary>
    public static bool AreNear(ImmutableArray<HostPool> one, ImmutableArray<HostPool> other) =>
        one.Length == other.Length && one.Zip(other).All(p =>
            p.First.Pool == p.Second.Pool && p.First.Parent == p.Second.Parent && p.First.Machines.SequenceEqual(p.Second.Machines) && AreNear(p.First.Cpu, p.Second.Cpu)
            && p.First.Memory is null == p.Second.Memory is null && AreNear(p.First.Memory ?? new(), p.Second.Memory ?? new())
            && AreNear(p.First.Disk, p.Second.Disk) && AreNear(p.First.Network, p.Second.Network));

    private static bool AreNear(CpuControl one, CpuControl other) =>
        AreNear(one.Reservation.Value, other.Reservation.Value) && AreNear(one.Limit?.Value ?? 0, other.Limit?.Value ?? 0) && AreNear(one.Shares ?? 0, other.Shares ?? 0);

    private static bool AreNear(MemoryControl one, MemoryControl other) =>
        AreNear(one.Reservation.Value, other.Reservation.Value) && AreNear(one.Limit?.Value ?? 0, other.Limit?.Value ?? 0) && AreNear(one.Shares ?? 0, other.Shares ?? 0);

    private static bool AreNear(DiskControl one, DiskControl other) =>
        AreNear(one.IopsLimit ?? 0, other.IopsLimit ?? 0) && AreNear(one.BandwidthLimit?.Value ?? 0, other.BandwidthLimit?.Value ?? 0) && AreNear(one.Shares ?? 0, other.Shares ?? 0);

    private static bool AreNear(PoolNetworkControl one, PoolNetworkControl other) =>
        AreNear(one.OutLimit?.Value ?? 0, other.OutLimit?.Value ?? 0) && AreNear(one.InLimit?.Value ?? 0, other.InLimit?.Value ?? 0) && AreNear(one.Shares ?? 0, other.Shares ?? 0);

    private static bool AreNear(long one, long other) => Math.Abs(one - other) <= Same * Math.Max(one, other);

    private static CpuControl Part(CpuControl whole, double part) => new()
    {
        Reservation = new((long)(whole.Reservation.Value * part)),
        Limit = whole.Limit is { } limit ? new Megahertz(Math.Max(1, (long)Math.Ceiling(limit.Value * part))) : null,
        Shares = Part(whole.Shares ?? ShareScale.NormalPoolCpu, part),
    };

    private static MemoryControl Part(MemoryControl whole, double part) => new()
    {
        Reservation = new((long)(whole.Reservation.Value * part)),
        Limit = whole.Limit is { } limit ? new Bytes(Math.Max(1, (long)(limit.Value * part))) : null,
        Shares = Part(whole.Shares ?? ShareScale.NormalPoolMemory, part),
    };

    // Those in which a machine runs.
    private static IEnumerable<ShareNode> Pools(IEnumerable<ShareNode> nodes) => nodes
        .Where(n => n.Children is not null && PoolTree.MachinesOf(n).Any())
        .SelectMany(n => Pools(n.Children!).Prepend(n));
}

/// <summary>What a cluster has of one resource, and what each machine that runs claims of it.</summary>
public sealed record SharedWhole(double Capacity, IReadOnlyDictionary<EntityId, Claim> Running);
