using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Core.Placement;

/// <summary>What machines may ask for of CPU by the limits of the resource pools that they are in.</summary>
/// <remarks>What a limit holds waits without end, which is no load that another host could take: of a pool's machines together no more counts than the pool may
/// have. A limit is divided among them as it is for the hosts that keep it, but by itself: that a cluster is short of CPU bounds no demand.</remarks>
internal static class PoolCpu
{
    /// <summary>The part of each machine in a pool with a CPU limit, in megahertz; others are not among them.</summary>
    /// <param name="asked">What a machine asks for, in megahertz.</param>
    public static ImmutableDictionary<EntityId, double> BoundsIn(InventorySnapshot now, EntityId cluster, Func<VirtualMachine, double> asked)
    {
        var pools = now.PoolsOf(cluster).ToList();
        if (!pools.Exists(p => p.Controls.Cpu.Limit is not null))
            return ImmutableDictionary<EntityId, double>.Empty;
        var machines = now.Children<Host>(cluster)
            .SelectMany(h => now.MachinesOn(h.Id))
            .Where(v => v is { MayRun: true, Pool: not null, Spec: not null })
            .ToDictionary(v => v.Id);
        var members = machines.Values.ToLookup(v => v.Pool!.Value, v => v.Id);
        var tree = PoolTree.Of(
            machines.ToDictionary(m => m.Key, m => ClaimOf(m.Value) with { Demand = asked(m.Value) }),
            [.. pools.Select(p => new HostPool(p.Id, p.Parent, p.Controls.Cpu, [.. members[p.Id]]))],
            PoolTree.CpuOf);
        var parts = PoolDivision.Divide(double.PositiveInfinity, tree);
        return PoolTree.HeldByPools(tree).ToImmutableDictionary(m => m, m => parts[m]);
    }

    private static Claim ClaimOf(VirtualMachine vm) => PoolTree.ClaimOf(vm.Spec!.Resources.Cpu, ShareScale.NormalCpu * vm.Spec.Cpus);
}
