using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Statistics;
using Alveare.Model;
using Alveare.Model.Inventory;

namespace Alveare.Core.Placement;

/// <summary>What machines ask for of CPU at one moment, as far as limits let them have it; pools are divided once for a cluster, and where somebody asks.</summary>
internal sealed class AskedCpu(InventorySnapshot now, StatisticsHistory statistics)
{
    private readonly Dictionary<EntityId, ImmutableDictionary<EntityId, double>> _bounds = [];

    /// <summary>What machines, wherever they are, ask for together on a host. In cycles of that host: what a machine takes of a CPU of another is taken to be as
    /// much of one here.</summary>
    public Megahertz On(Host host, IEnumerable<EntityId> machines) =>
        new((long)machines.Sum(m => now.Find(m) is VirtualMachine vm ? Math.Min(statistics.CpuDemandOf(vm, host), BoundOf(vm)) : 0));

    private double BoundOf(VirtualMachine vm)
    {
        if (vm.Pool is not { } pool || now.ClusterOfPool(pool) is not { } cluster)
            return double.PositiveInfinity;
        if (!_bounds.TryGetValue(cluster.Id, out var bounds))
            _bounds.Add(cluster.Id, bounds = PoolCpu.BoundsIn(now, cluster.Id, v => statistics.CpuDemandOf(v, now.Get<Host>(v.Host!.Value))));
        return bounds.GetValueOrDefault(vm.Id, double.PositiveInfinity);
    }
}
