using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Core.Statistics;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Planning.Balancing;
using Alveare.Planning.Rules;
using Alveare.Planning.Snapshots;

namespace Alveare.Core.Clusters;

/// <summary>A cluster as planning sees it, read from the inventory and the statistics at one moment.</summary>
/// <param name="Cluster">The inventory's record.</param>
/// <param name="Snapshot">Its ids are names, so that plans read well; a name that two objects of the cluster have is followed by the id.</param>
/// <param name="Stays">Machines that must not be moved now, and why.</param>
/// <param name="SteadySeconds">How long each machine's CPU demand has been what it is.</param>
/// <param name="Clock">Mean clock of the hosts' CPUs.</param>
public sealed record ClusterReading(
    Cluster Cluster,
    ClusterSnapshot Snapshot,
    ImmutableDictionary<string, EntityId> Hosts,
    ImmutableDictionary<string, EntityId> Vms,
    ImmutableDictionary<string, string> Stays,
    ImmutableDictionary<string, double> SteadySeconds,
    Megahertz Clock)
{
    /// <summary>Every host that runs machines, and every machine, is in it with fresh statistics.</summary>
    public bool IsMeasured { get; private init; }

    /// <summary>Reads a cluster: its hosts that are connected, run machines and whose statistics are fresh, with what runs on them.</summary>
    /// <param name="targets">Where the migrations that are under way bring their machines.</param>
    public static ClusterReading Of(InventorySnapshot now, Cluster cluster, StatisticsHistory statistics, IReadOnlyDictionary<EntityId, EntityId> targets) =>
        Of(now, cluster, [.. now.Children<Host>(cluster.Id).Where(h => IsUsable(h) && !LoadHistory.IsStale(statistics.AgesOfHost(h.Id)))], statistics, targets);

    /// <summary>As the other one, of hosts that were chosen; each has said what it is.</summary>
    public static ClusterReading Of(
        InventorySnapshot now, Cluster cluster, ImmutableArray<Host> hosts, StatisticsHistory statistics, IReadOnlyDictionary<EntityId, EntityId> targets)
    {
        var hostNames = Labels(hosts);
        // A machine on its way counts where it will be.
        var running = hosts
            .SelectMany(h => now.MachinesOn(h.Id))
            .Concat(targets.Keys.Select(now.Find).OfType<VirtualMachine>())
            .DistinctBy(v => v.Id)
            .Where(v => v.Power != PowerState.Off && v.Spec is not null)
            .Select(v => (Vm: v, Host: targets.TryGetValue(v.Id, out var target) && hostNames.ContainsKey(target) ? target : v.Host))
            .Where(v => v.Host is { } host && hostNames.ContainsKey(host))
            .OrderBy(v => v.Vm.Id)
            .ToList();
        var vmNames = Labels(running.Select(r => r.Vm));
        var hostById = hosts.ToDictionary(h => h.Id);
        var ownModes = cluster.Balancing.Overrides.ToDictionary(o => o.Vm, o => OwnModeOf(o.Mode));
        var fits = new HostClasses(now, hosts, hostNames);
        Span<DemandSample> room = new DemandSample[StatisticsHistory.Kept];
        var read = new List<(string Name, VirtualMachine Vm, Host Host, Demand Demand)>(running.Count);
        foreach (var (vm, on) in running)
        {
            var host = hostById[on!.Value];
            read.Add((vmNames[vm.Id], vm, host, Demand.Of(room[..statistics.DemandOfMachine(vm.Id, room)], vm.Spec!, host)));
        }

        BoundByPools(now, cluster, statistics, read);
        var asleep = AsleepOf(now, cluster, hostNames);
        return new(
            cluster,
            new ClusterSnapshot
            {
                Name = cluster.Name,
                IsMemoryPromised = true,
                Hosts = [.. hosts.Select(h => new SnapshotHost(hostNames[h.Id], h.Facts!.CpuCapacity.Value, h.Facts.MemoryForGuests.Mb))],
                Asleep = [.. asleep.Select(h => new SnapshotHost(h.Label, h.Host.Facts!.CpuCapacity.Value, h.Host.Facts.MemoryForGuests.Mb))],
                // A host that sleeps may be the very one that a rule allows, if it is woken.
                Rules = ClusterRules.Of(cluster, vmNames, hostNames.Concat(asleep.Select(h => KeyValuePair.Create(h.Host.Id, h.Label))).ToDictionary()),
                Vms =
                [
                    .. read.Select(r => Vm(r.Name, hostNames[r.Host.Id], r.Vm.Spec!, r.Demand) with
                    {
                        OnlyOn = fits.OnlyOn(r.Vm, r.Host),
                        StartsOn = fits.StartsOn(r.Vm, r.Host),
                        IsPaused = r.Vm.Power == PowerState.Paused,
                        OwnMode = ownModes.TryGetValue(r.Vm.Id, out var own) ? own : null,
                    }),
                ],
            },
            hosts.ToImmutableDictionary(h => hostNames[h.Id], h => h.Id),
            read.ToImmutableDictionary(r => r.Name, r => r.Vm.Id),
            read.Select(r => (r.Name, Why: WhyItStays(r.Vm) ?? (r.Demand.IsKnown ? null : "there are no fresh statistics of it"))).Where(r => r.Why is not null).ToImmutableDictionary(r => r.Name, r => r.Why!),
            read.ToImmutableDictionary(r => r.Name, r => r.Demand.Steady.TotalSeconds),
            new Megahertz(hosts.IsEmpty ? 0 : (long)hosts.Average(h => h.Facts!.CpuClock.Value)))
        {
            IsMeasured = read.All(r => r.Demand.IsKnown) && now.Children<Host>(cluster.Id).All(h => !IsToRun(h) || hostNames.ContainsKey(h.Id)),
        };
    }

    // Machines of hosts that are not read take their part of a pool's limit all the same.
    private static void BoundByPools(InventorySnapshot now, Cluster cluster, StatisticsHistory statistics, List<(string Name, VirtualMachine Vm, Host Host, Demand Demand)> read)
    {
        var asked = read.ToDictionary(r => r.Vm.Id, r => r.Demand.CpuMhz);
        var bounds = PoolCpu.BoundsIn(now, cluster.Id, v => asked.TryGetValue(v.Id, out var mhz) ? mhz : statistics.CpuDemandOf(v, now.Get<Host>(v.Host!.Value)));
        foreach (ref var machine in CollectionsMarshal.AsSpan(read))
        {
            if (bounds.TryGetValue(machine.Vm.Id, out var most))
                machine.Demand = machine.Demand with { CpuMhz = most };
        }
    }

    /// <summary>Where the migrations that are under way bring their machines.</summary>
    internal static IReadOnlyDictionary<EntityId, EntityId> TargetsOf(TaskEngine tasks) =>
        tasks.List().Where(t => !t.HasEnded && t.Move is not null).DistinctBy(t => t.Target).ToDictionary(t => t.Target, t => t.Move!.Target);

    /// <summary>A host that answers and runs machines.</summary>
    internal static bool IsUsable(Host host) =>
        host is { Connection: HostConnection.Connected, Maintenance: HostMaintenance.None, Standby: HostStandby.None } && HasCapacity(host);

    // Those that are only being connected are, but for a moment, hosts like the others.
    private static bool IsToRun(Host host) =>
        host is { Connection: HostConnection.Connected or HostConnection.Connecting, Maintenance: HostMaintenance.None, Standby: HostStandby.None };

    /// <summary>Why a machine must not be moved now whatever is known of its load; null when it may be.</summary>
    internal static string? WhyItStays(VirtualMachine vm) => vm switch
    {
        { BusyTask: { } task } => $"{task} works on it",
        { IsStale: true } => "its host does not answer",
        { IsTemplate: true } => "it is a template",
        { Power: not PowerState.On } => "it does not run",
        _ => null,
    };

    private static List<(Host Host, string Label)> AsleepOf(InventorySnapshot now, Cluster cluster, Dictionary<EntityId, string> names)
    {
        var taken = names.Values.ToHashSet(StringComparer.Ordinal);
        return
        [
            .. now.Children<Host>(cluster.Id)
                .Where(h => h.IsReserve && HasCapacity(h) && !names.ContainsKey(h.Id))
                .Select(h => (h, taken.Add(h.Name) ? h.Name : $"{h.Name} ({h.Id})")),
        ];
    }

    internal static bool HasCapacity(Host host) => host.Facts is { } facts && facts.CpuCapacity.Value > 0 && facts.MemoryForGuests.Value > 0;

    private static OwnMode OwnModeOf(BalanceMode? mode) => mode switch
    {
        null => OwnMode.Off,
        BalanceMode.Manual => OwnMode.Manual,
        BalanceMode.Partial => OwnMode.Partial,
        BalanceMode.Full => OwnMode.Full,
        _ => throw new ArgumentOutOfRangeException(nameof(mode)),
    };

    private static SnapshotVm Vm(string name, string host, MachineSpec spec, Demand demand)
    {
        var (memory, controls) = (spec.Memory.Mb, spec.Resources);
        var consumed = Math.Min(demand.ConsumedMb, memory);
        return new SnapshotVm
        {
            Id = name,
            Host = host,
            Vcpus = spec.Cpus,
            CpuDemandMhz = demand.CpuMhz,
            MemMb = memory,
            ConsumedMb = consumed,
            ActiveMb = Math.Min(demand.ActiveMb, consumed),
            CpuReservationMhz = controls.Cpu.Reservation.Value,
            CpuLimitMhz = controls.Cpu.Limit?.Value ?? -1,
            CpuShares = ShareScale.CpuShares(controls.Cpu, spec.Cpus),
            // A machine that runs is promised all its memory, whatever it takes now: placement and migration count it so too.
            MemReservationMb = memory,
            MemLimitMb = controls.Memory.Limit?.Mb ?? -1,
            MemShares = controls.Memory.Shares ?? ShareScale.NormalMemory * memory,
        };
    }

    private static Dictionary<EntityId, string> Labels(IEnumerable<Entity> entities)
    {
        var labels = new Dictionary<EntityId, string>();
        foreach (var group in entities.GroupBy(e => e.Name, StringComparer.Ordinal))
        {
            var isAlone = group.Count() == 1;
            foreach (var entity in group)
                labels[entity.Id] = isAlone ? entity.Name : $"{entity.Name} ({entity.Id})";
        }

        return labels;
    }
}
