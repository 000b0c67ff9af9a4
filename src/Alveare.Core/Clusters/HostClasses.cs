using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Placement;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Planning.Migration;
using Alveare.Planning.Placement;

namespace Alveare.Core.Clusters;

/// <summary>Which hosts of a cluster a machine can be migrated to, or started on, at all, room aside.</summary>
/// <remarks>Machines and hosts that are alike share the answer: ten thousand machines on a hundred equal hosts are one check.</remarks>
internal sealed class HostClasses
{
    private readonly InventorySnapshot _now;
    private readonly List<(string Class, HostRoom Room, string Name)> _hosts;
    private readonly Dictionary<EntityId, string> _classes;
    private readonly Dictionary<string, ImmutableArray<string>> _answers = new(StringComparer.Ordinal);

    public HostClasses(InventorySnapshot now, IEnumerable<Host> hosts, IReadOnlyDictionary<EntityId, string> names)
    {
        _now = now;
        _hosts = [.. hosts.Select(h => (ClassOf(h), RoomOf(h), names[h.Id]))];
        _classes = _hosts.ToDictionary(h => h.Room.Id, h => h.Class);
    }

    /// <summary>Empty for all of them.</summary>
    public ImmutableArray<string> OnlyOn(VirtualMachine vm, Host host)
    {
        var spec = MachineGround.RunningSpec(vm);
        var movable = string.Join(',', spec.Disks.Where(d => d.File.Length == 0 || d.File.Contains('/', StringComparison.Ordinal)).Select(d => d.File));
        var key = $"{_classes[host.Id]}|{spec.CpuModel}|{vm.Config.Datastore}|{PortsOf(spec)}|{movable}";
        if (!_answers.TryGetValue(key, out var others))
            _answers[key] = others = Others(vm, host);
        if (others.Length == _hosts.Count)
            return [];
        var own = _hosts.Find(h => h.Room.Id == host.Id).Name;
        return others.Contains(own) ? others : others.Add(own);
    }

    /// <summary>Those that could start a machine if it were off, where they are not those of <see cref="OnlyOn"/>; empty for all of them, null where there are none.</summary>
    /// <remarks>Every host of a cluster can give its CPU baseline.</remarks>
    public ImmutableArray<string>? StartsOn(VirtualMachine vm, Host host)
    {
        var spec = MachineGround.SpecOf(vm);
        var key = $"start|{spec.CpuModel}|{vm.Config.Datastore}|{PortsOf(spec)}";
        if (!_answers.TryGetValue(key, out var hosts))
        {
            var needs = MachineNeeds.Of(spec, vm.Config.Datastore, vm.Config.Datastore.ToString());
            _answers[key] = hosts = [.. _hosts.Where(h => HostFit.Check(needs, h.Room).IsEmpty).Select(h => h.Name)];
        }

        ImmutableArray<string> starts = hosts.Length == _hosts.Count ? [] : hosts;
        return hosts.IsEmpty || starts.SequenceEqual(OnlyOn(vm, host)) ? null : starts;
    }

    private static string PortsOf(MachineSpec spec) => string.Join(',', spec.Nics.Select(n => n.PortGroup).Distinct().Order(StringComparer.Ordinal));

    private ImmutableArray<string> Others(VirtualMachine vm, Host host)
    {
        // Under another id: its own host is asked as any other of its class.
        var source = RoomOf(host) with { Id = EntityId.Host(Guid.Empty) };
        var datastore = _now.Find(vm.Config.Datastore)?.Name ?? vm.Config.Datastore.ToString();
        return [.. _hosts.Where(h => MigrationPreflight.Check(new(MachineGround.RunningSpec(vm), vm.Config, datastore, source, h.Room)).IsEmpty).Select(h => h.Name)];
    }

    private static string ClassOf(Host host) => string.Join(
        '\n',
        [
            host.Facts!.Accelerator.ToString(),
            .. host.Facts.CpuFeatures,
            .. host.Facts.CpuModels.Select(m => $"{m.Name} {string.Join(' ', m.Missing)}"),
            .. host.Datastores.OrderBy(d => d.Id).Select(d => $"{d.Id} {d.Problem}"),
            .. host.PortGroups.Order(StringComparer.Ordinal),
        ]);

    // Room is asked by planning itself.
    private static HostRoom RoomOf(Host host) => HostRooms.Empty(host) with
    {
        MemoryForGuests = new Bytes(long.MaxValue), CpuCapacity = new Megahertz(long.MaxValue),
    };
}
