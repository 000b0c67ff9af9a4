using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Statistics;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Resources;
using Alveare.Planning.Placement;
using Alveare.Planning.Rules;

namespace Alveare.Core.Placement;

/// <summary>The hosts of the site as placement sees them: what the inventory says, and on top what running tasks have been promised.</summary>
/// <remarks>Choosing and promising are one step in the order of the inventory's edits: two machines that start at once never both get the last memory of a host,
/// and of a start and a change of a resource pool the later one sees the earlier, though that is not on disk yet. Who acts on a promise waits for
/// <see cref="PromisedRoom.SettleAsync"/> first.</remarks>
public sealed class HostRooms(InventoryWriter inventory, StatisticsHistory statistics)
{
    private readonly Lock _gate = new();
    private readonly List<PromisedRoom> _promises = [];
    private InventorySnapshot? _rehearsed;

    /// <summary>The inventory that is chosen by: of a rehearsal, the one in which what was promised is done.</summary>
    internal InventorySnapshot Now => Decide(now => now);

    /// <summary>Lets <paramref name="choose"/> pick one of the hosts by the room they have, and promises the memory there until the answer is
    /// disposed. What it throws goes through: then nothing is promised.</summary>
    /// <param name="machines">Those that go there, all to one host.</param>
    /// <param name="isToRun">They are to run there, so that their cluster's rules and resource pools count; not so for a registration.</param>
    public PromisedRoom Promise(
        ImmutableArray<RoomShare> machines, Func<InventorySnapshot, IEnumerable<Host>> candidates, Func<ImmutableArray<HostRoom>, EntityId> choose, bool isToRun = true) =>
        Decide(now =>
        {
            // Always in this order: edits of pools, which the writer makes one by one, ask here what is promised.
            lock (_gate)
            {
                var promised = new PromisedRoom(this, machines, choose(Of(now, candidates(now), machines, isToRun)), inventory.SettleAsync());
                if (_rehearsed is null)
                    _promises.Add(promised);
                else
                    _rehearsed = now.With(machines.Select(m => now.Get<VirtualMachine>(m.Machine) with { Host = promised.Host }), []);
                return promised;
            }
        });

    /// <summary>Lets <paramref name="choose"/> answer as <see cref="Promise(ImmutableArray{RoomShare}, Func{InventorySnapshot, IEnumerable{Host}}, Func{ImmutableArray{HostRoom}, EntityId}, bool)"/>
    /// would, and promises nothing.</summary>
    internal PlacementAnswer Ask(
        ImmutableArray<RoomShare> machines, Func<InventorySnapshot, IEnumerable<Host>> candidates, Func<ImmutableArray<HostRoom>, PlacementAnswer> choose, bool isToRun = true) =>
        Decide(now =>
        {
            lock (_gate)
                return choose(Of(now, candidates(now), machines, isToRun));
        });

    /// <summary>Hosts as they are, for no machine in particular.</summary>
    internal ImmutableArray<HostRoom> Of(IEnumerable<EntityId> hosts) =>
        Decide(now =>
        {
            lock (_gate)
                return Of(now, hosts.Select(now.Get<Host>), [], isToRun: false);
        });

    /// <summary>The same rooms to plan with: what is promised out of these nobody else sees, and it counts as done, one after the other.</summary>
    public HostRooms Rehearsal()
    {
        var rehearsal = new HostRooms(inventory, statistics) { _rehearsed = Now };
        lock (_gate)
            rehearsal._promises.AddRange(_promises);
        return rehearsal;
    }

    /// <summary>Ends when nothing of a host's room is promised: each machine that was has come, or will not. Ask it of a host that is promised no more.</summary>
    internal async Task FreeAsync(EntityId host, CancellationToken cancellation)
    {
        while (PromiseOn(host) is { } promise)
            await promise.Ended.OrCancelledAsync(cancellation);
    }

    /// <summary>What a machine is called that has been promised room on a host; null when none has.</summary>
    internal string? ComingTo(EntityId host, InventorySnapshot now) => PromiseOn(host) is { Machines: [var share, ..] } ? NameOf(share, now) : null;

    /// <summary>What the resource pools of a cluster have promised, also to machines on their way into it.</summary>
    internal ClusterPools PoolsOf(InventorySnapshot now, Cluster cluster) => PoolsOf(now, cluster, null);

    private T Decide<T>(Func<InventorySnapshot, T> decide) => _rehearsed is { } rehearsed ? decide(rehearsed) : inventory.Decide(decide);

    internal void GiveBack(PromisedRoom promise)
    {
        lock (_gate)
            _promises.Remove(promise);
    }

    private PromisedRoom? PromiseOn(EntityId host)
    {
        lock (_gate)
            return _promises.Find(p => p.Host == host);
    }

    private ClusterPools PoolsOf(InventorySnapshot now, Cluster cluster, EntityId? exceptFor)
    {
        lock (_gate)
            return ClusterPools.Of(now, cluster, [.. _promises.SelectMany(p => p.Machines.Where(m => m.Machine != exceptFor).Select(m => (m, p.Host)))]);
    }

    private ImmutableArray<HostRoom> Of(InventorySnapshot now, IEnumerable<Host> hosts, ImmutableArray<RoomShare> shares, bool isToRun)
    {
        ImmutableArray<EntityId> machines = [.. shares.Select(s => s.Machine)];
        var shortages = new Dictionary<EntityId, ImmutableArray<Fault>>();
        var asked = new AskedCpu(now, statistics);
        return
        [
            .. hosts.Select(h => Of(now, h, now.MachinesOn(h.Id).Where(v => !machines.Contains(v.Id)), machines, asked) with
            {
                CpuComing = asked.On(h, machines.Where(m => now.Find(m) is VirtualMachine { MayRun: true })),
                BrokenRules = isToRun ? BrokenRules(now, h, machines) : [],
                PoolShortages = isToRun && now.ClusterOf(h.Id) is { } cluster ? Shortages(cluster) : [],
            }),
        ];

        // One answer for all hosts of a cluster. Where there are no pools, what its hosts have left each is all that there is to ask.
        ImmutableArray<Fault> Shortages(Cluster cluster)
        {
            if (!shortages.TryGetValue(cluster.Id, out var found))
            {
                found = now.Children<ResourcePool>(cluster.Id).Any() ? [.. shares.SelectMany(s => ShortagesOf(now, cluster, s))] : [];
                shortages.Add(cluster.Id, found);
            }

            return found;
        }
    }

    // The others of a group count where they are: all of them together are what their pools have promised.
    private ImmutableArray<Fault> ShortagesOf(InventorySnapshot now, Cluster cluster, RoomShare share) =>
        PoolsOf(now, cluster, share.Machine).WhyNot(share, NameOf(share, now));

    private static string NameOf(RoomShare share, InventorySnapshot now) => now.Find(share.Machine)?.Name ?? share.Arrival?.Name ?? share.Machine.ToString();

    // A machine on its way is in both places, because it may turn back; but who is to be with it goes where it goes.
    private ImmutableArray<BrokenRule> BrokenRules(InventorySnapshot now, Host host, ImmutableArray<EntityId> machines)
    {
        if (now.ClusterOf(host.Id) is not { Rules.IsEmpty: false } cluster)
            return [];
        var hosts = now.Children<Host>(cluster.Id).Select(h => h.Id).ToList();
        EntityId? Promised(EntityId vm) => (machines.Contains(vm) ? null : _promises.FindLast(p => p.Machines.Any(m => m.Machine == vm))?.Host) ?? now.PlaceOf(vm);
        var broken = ClusterRules.BrokenBy(cluster, machines, host.Id, hosts, Promised);
        if (_promises.Count == 0)
            return broken;
        var meeting = cluster with { Rules = cluster.Rules.RemoveAll(r => r.Kind == ClusterRuleKind.Together) };
        return
        [
            .. broken.Concat(ClusterRules.BrokenBy(meeting, machines, host.Id, hosts, now.PlaceOf))
                .GroupBy(r => r.Name, StringComparer.Ordinal)
                .Select(r => r.MaxBy(b => (b.Weight.Must, b.Weight.Should))! with { IsWorse = r.Any(b => b.IsWorse) }),
        ];
    }

    private HostRoom Of(InventorySnapshot now, Host host, IEnumerable<VirtualMachine> there, ImmutableArray<EntityId> exceptFor, AskedCpu asked)
    {
        var coming = _promises.Where(p => p.Host == host.Id).SelectMany(p => p.Machines).Where(m => !exceptFor.Contains(m.Machine)).ToList();
        // What runs there and is promised the same place again counts once, with the larger figure.
        var promised = new Dictionary<EntityId, (long Memory, long Cpu)>();
        foreach (var share in coming)
            promised[share.Machine] = Larger(promised.GetValueOrDefault(share.Machine), (share.Memory.Value, share.Resources.Cpu.Reservation.Value));
        var registered = coming.DistinctBy(m => m.Machine).Sum(m => MemoryOfNew(now, m, host.Id));

        var asking = new List<EntityId>();
        var (memory, reserved) = (0L, 0L);
        foreach (var vm in there)
        {
            registered += vm.Spec?.Memory.Value ?? 0;
            if (!vm.MayRun)
                continue;
            asking.Add(vm.Id);
            promised.Remove(vm.Id, out var more);
            var (itsMemory, itsCpu) = Larger(more, (vm.Spec?.Memory.Value ?? 0, ControlsOf(vm).Cpu.Reservation.Value));
            (memory, reserved) = (memory + itsMemory, reserved + itsCpu);
        }

        return Empty(host) with
        {
            MemoryRegistered = new Bytes(registered),
            MemoryPromised = new Bytes(memory + promised.Values.Sum(p => p.Memory)),
            CpuReserved = new Megahertz(reserved + promised.Values.Sum(p => p.Cpu)),
            CpuDemand = asked.On(host, asking.Concat(promised.Keys)),
        };
    }

    // What a machine that is not registered on the host yet will add there.
    private static long MemoryOfNew(InventorySnapshot now, RoomShare share, EntityId host) => now.Find(share.Machine) is VirtualMachine vm
        ? vm.Host == host ? 0 : vm.Spec?.Memory.Value ?? 0
        : share.Arrival?.Memory.Value ?? 0;

    private static (long Memory, long Cpu) Larger((long Memory, long Cpu) one, (long Memory, long Cpu) other) =>
        (Math.Max(one.Memory, other.Memory), Math.Max(one.Cpu, other.Cpu));

    /// <summary>A host as if no machine were on it.</summary>
    internal static HostRoom Empty(Host host) => new()
    {
        Id = host.Id,
        Name = host.Name,
        Problem = WhyUnusable(host),
        Maintenance = host.Maintenance,
        Standby = host.Standby,
        CpuFeatures = host.Facts?.CpuFeatures ?? [],
        CpuModels = host.Facts?.CpuModels ?? [],
        Accelerator = host.Facts?.Accelerator ?? default,
        MemoryForGuests = host.Facts?.MemoryForGuests ?? Bytes.Zero,
        CpuCapacity = host.Facts?.CpuCapacity ?? Megahertz.Zero,
        Datastores = host.Datastores,
        PortGroups = host.PortGroups,
    };

    private static ResourceControls ControlsOf(Entity? machine) => (machine as VirtualMachine)?.Spec?.Resources ?? ResourceControls.None;

    private static string? WhyUnusable(Host host) => host.Connection switch
    {
        HostConnection.Connected => host.Facts switch
        {
            null => "it has not said what it is yet",
            { IsPoweringDown: true } => "it is about to power down",
            _ => null,
        },
        HostConnection.Connecting => "first contact is not made yet",
        HostConnection.Disconnected => "an administrator disconnected it",
        HostConnection.Standby => host.FailedWakes > 0 ? $"it is in standby, and waking it has failed {host.FailedWakes} times in a row" : "it is in standby",
        HostConnection.Untrusted => "what answers at its address has another certificate",
        _ => "it does not answer",
    };
}

/// <summary>What is kept of a host's room, and of resource pools, for one machine.</summary>
/// <param name="Arrival">Of a machine that the inventory does not have yet.</param>
public readonly record struct RoomShare(EntityId Machine, Bytes Memory, ResourceControls Resources, Arrival? Arrival = null);

/// <summary>A machine that is only being made: what it will be called, the resource pool it comes into (null for none), and what memory it has once it runs.</summary>
public sealed record Arrival(string Name, EntityId? Pool, Bytes Memory);

/// <summary>Memory and promises of a host that are kept for machines on their way there, until disposed.</summary>
public sealed class PromisedRoom : IDisposable
{
    private readonly HostRooms _rooms;
    private readonly Task _settled;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="settled">The inventory by which it was promised is on disk, or cannot be.</param>
    internal PromisedRoom(HostRooms rooms, ImmutableArray<RoomShare> machines, EntityId host, Task settled) =>
        (_rooms, Machines, Host, _settled) = (rooms, machines, host, settled);

    public ImmutableArray<RoomShare> Machines { get; }

    public EntityId Host { get; }

    /// <summary>Waits until the inventory by which it was promised is on disk. If that cannot be, nothing is promised, and the fault says why.</summary>
    public async Task<PromisedRoom> SettleAsync()
    {
        try
        {
            await _settled;
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Done when it is given back.</summary>
    internal Task Ended => _ended.Task;

    public void Dispose()
    {
        _rooms.GiveBack(this);
        _ended.TrySetResult();
    }
}
