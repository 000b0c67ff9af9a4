using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Core.Placement;

/// <summary>What the resource pools of a cluster have promised: the ledgers of admission, one for each resource.</summary>
internal sealed class ClusterPools
{
    private readonly InventorySnapshot _now;
    private readonly Cluster _cluster;
    private readonly Dictionary<EntityId, RoomShare> _promises;
    private readonly PoolLedger _cpu;
    private readonly PoolLedger _memory;

    private ClusterPools(InventorySnapshot now, Cluster cluster, Dictionary<EntityId, RoomShare> promises, EntityId? detached)
    {
        (_now, _cluster, _promises) = (now, cluster, promises);
        var hosts = now.Children<Host>(cluster.Id)
            .Where(h => h is { Connection: HostConnection.Connected, Maintenance: HostMaintenance.None, Standby: HostStandby.None, Facts: not null })
            .Select(h => h.Facts!)
            .ToList();
        var pools = now.PoolsOf(cluster.Id).ToList();
        var holders = promises.ToDictionary(p => p.Key, p => HolderOf(p.Value));
        Whole = (new(hosts.Sum(f => f.CpuCapacity.Value)), new(hosts.Sum(f => f.MemoryForGuests.Value)));
        _cpu = Ledger(Whole.Cpu.Value, p => (p.Cpu.Reservation.Value, p.Cpu.Limit?.Value, p.Cpu.IsExpandable), r => r.Cpu.Reservation.Value);
        _memory = Ledger(
            Whole.Memory.Value, p => (p.Memory.Reservation.Value, p.Memory.Limit?.Value, p.Memory.IsExpandable), r => r.Memory.Reservation.Value);

        PoolLedger Ledger(long whole, Func<PoolControls, (long Reservation, long? Limit, bool IsExpandable)> termsOf, Func<ResourceControls, long> promised)
        {
            var accounts = new List<PoolAccount> { new(cluster.Id, null, whole, null, false) };
            foreach (var pool in pools)
            {
                var (reservation, limit, isExpandable) = termsOf(pool.Controls);
                accounts.Add(new(pool.Id, pool.Id == detached ? null : pool.Parent, reservation, limit, isExpandable));
            }

            return new(accounts, promises.Select(p => new PoolPromise(p.Key, holders[p.Key], promised(p.Value.Resources))));
        }
    }

    /// <summary>What the hosts have that run machines.</summary>
    private (Megahertz Cpu, Bytes Memory) Whole { get; }

    /// <param name="coming">Machines that are about to run on hosts of the site, with what they are promised.</param>
    public static ClusterPools Of(InventorySnapshot now, Cluster cluster, IEnumerable<(RoomShare Share, EntityId Host)> coming)
    {
        var promises = now.Children<Host>(cluster.Id)
            .SelectMany(h => now.MachinesOn(h.Id))
            .Where(v => v is { MayRun: true, Spec: not null })
            .ToDictionary(v => v.Id, v => new RoomShare(v.Id, v.Spec!.Memory, v.Spec.Resources));
        foreach (var (share, _) in coming.Where(c => now.Find(c.Host)?.Parent == cluster.Id))
        {
            promises[share.Machine] = promises.TryGetValue(share.Machine, out var present)
                ? share with { Resources = Larger(present.Resources, share.Resources) }
                : share;
        }

        return new ClusterPools(now, cluster, promises, null);
    }

    /// <summary>As if a machine did not run.</summary>
    public ClusterPools Without(EntityId machine) => new(_now, _cluster, _promises.Where(p => p.Key != machine).ToDictionary(), null);

    /// <summary>As if a pool, with all that is in it, were in none.</summary>
    public ClusterPools Detached(EntityId pool) => new(_now, _cluster, _promises, pool);

    /// <summary>What is promised out of a pool.</summary>
    public (Megahertz Cpu, Bytes Memory) PromisedIn(EntityId pool) => (new(_cpu.PromisedIn(pool)), new(_memory.PromisedIn(pool)));

    /// <summary>What is promised out of the cluster itself, and more than its hosts have; empty when they have enough.</summary>
    public IEnumerable<string> Overdrawn()
    {
        if (PromisedIn(_cluster.Id).Cpu is var cpu && cpu > Whole.Cpu)
            yield return $"machines and resource pools of cluster '{_cluster.Name}' are promised {cpu} of CPU, and its hosts have {Whole.Cpu}";
        if (PromisedIn(_cluster.Id).Memory is var memory && memory > Whole.Memory)
            yield return $"machines and resource pools of cluster '{_cluster.Name}' are promised {memory} of memory, and its hosts have {Whole.Memory}";
    }

    /// <summary>What a pool claims of the one above.</summary>
    public (Megahertz Cpu, Bytes Memory) ClaimOf(EntityId pool) => (new(_cpu.ClaimOf(pool)), new(_memory.ClaimOf(pool)));

    /// <summary>Why a machine cannot be promised so much when it runs in this cluster, in the pool that it is in; empty when it can.</summary>
    public ImmutableArray<Fault> WhyNot(RoomShare share, string name)
    {
        var present = _promises.TryGetValue(share.Machine, out var promised) ? promised.Resources : ResourceControls.None;
        return WhyNot(
            $"Virtual machine '{name}'",
            HolderOf(share),
            share.Resources.Cpu.Reservation - present.Cpu.Reservation,
            new(share.Resources.Memory.Reservation.Value - present.Memory.Reservation.Value));
    }

    /// <summary>Why so much more cannot be promised out of a pool, or out of the cluster itself; empty when it can.</summary>
    /// <param name="asker">For people, as the beginning of a sentence.</param>
    public ImmutableArray<Fault> WhyNot(string asker, EntityId holder, Megahertz cpu, Bytes memory) =>
    [
        .. Fault(asker, PoolResource.Cpu, _cpu.WhyNot(holder, cpu.Value)),
        .. Fault(asker, PoolResource.Memory, _memory.WhyNot(holder, memory.Value)),
    ];

    private IEnumerable<Fault> Fault(string asker, PoolResource resource, PoolShortage? shortage)
    {
        if (shortage is { } found)
        {
            yield return found.Pool == _cluster.Id
                ? new InsufficientPoolReservation(asker, $"cluster '{_cluster.Name}'", resource, found.Asked, found.Free, null)
                : new InsufficientPoolReservation(asker, $"resource pool '{_now.Find(found.Pool)?.Name}'", resource, found.Asked, found.Free, found.IsExpandable);
        }
    }

    private EntityId HolderOf(RoomShare share) =>
        (_now.Find(share.Machine) is VirtualMachine there ? there.Pool : share.Arrival?.Pool) is { } pool && _now.ClusterOfPool(pool)?.Id == _cluster.Id ? pool : _cluster.Id;

    private static ResourceControls Larger(ResourceControls one, ResourceControls other) => new()
    {
        Cpu = one.Cpu.Reservation > other.Cpu.Reservation ? one.Cpu : other.Cpu,
        Memory = one.Memory.Reservation > other.Memory.Reservation ? one.Memory : other.Memory,
    };
}
