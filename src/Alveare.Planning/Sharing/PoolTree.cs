using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;

namespace Alveare.Planning.Sharing;

/// <summary>Makes the tree that <see cref="PoolDivision"/> divides in of machines and the pools that name them.</summary>
public static class PoolTree
{
    /// <param name="machines">Those that run; one that is in none of the pools stands beside them at the root.</param>
    /// <param name="pools">A pool whose parent is not among them stands at the root.</param>
    /// <param name="claimOf">What a pool itself claims of what is divided.</param>
    public static ImmutableArray<ShareNode> Of(IReadOnlyDictionary<EntityId, Claim> machines, IReadOnlyCollection<HostPool> pools, Func<HostPool, Claim> claimOf)
    {
        var known = pools.Select(p => p.Pool).ToHashSet();
        var below = pools.ToLookup(p => p.Parent is { } parent && known.Contains(parent) ? parent : default(EntityId?));
        var pooled = pools.SelectMany(p => p.Machines).ToHashSet();
        return [.. below[null].Select(Node), .. machines.Where(m => !pooled.Contains(m.Key)).Select(m => new ShareNode(m.Key, m.Value))];

        ShareNode Node(HostPool pool) => new(
            pool.Pool,
            claimOf(pool),
            [.. below[pool.Pool].Select(Node), .. pool.Machines.Where(machines.ContainsKey).Select(m => new ShareNode(m, machines[m]))]);
    }

    /// <summary>What a pool claims of CPU, in megahertz.</summary>
    public static Claim CpuOf(HostPool pool) => ClaimOf(pool.Cpu, ShareScale.NormalPoolCpu);

    /// <summary>What a pool claims of memory, in bytes.</summary>
    public static Claim MemoryOf(HostPool pool) => ClaimOf(pool.Memory ?? new(), ShareScale.NormalPoolMemory);

    /// <summary>What controls of CPU claim, in megahertz.</summary>
    /// <param name="normal">The shares of one that is given none.</param>
    public static Claim ClaimOf(CpuControl control, int normal) => new(control.Reservation.Value, control.Shares ?? normal)
    {
        Limit = control.Limit?.Value ?? double.PositiveInfinity,
    };

    /// <summary>What controls of memory claim, in bytes.</summary>
    /// <param name="normal">The shares of one that is given none.</param>
    public static Claim ClaimOf(MemoryControl control, int normal) => new(control.Reservation.Value, control.Shares ?? normal)
    {
        Limit = control.Limit?.Value ?? double.PositiveInfinity,
    };

    /// <summary>The machines that are in a pool with a limit, at whatever depth: what they use counts against it.</summary>
    public static IEnumerable<EntityId> HeldByPools(IEnumerable<ShareNode> nodes) => nodes
        .Where(n => n.Children is not null)
        .SelectMany(n => double.IsFinite(n.Own.Limit) ? MachinesOf(n) : HeldByPools(n.Children!));

    internal static IEnumerable<EntityId> MachinesOf(ShareNode node) => node.Children?.SelectMany(MachinesOf) ?? [node.Id];
}
