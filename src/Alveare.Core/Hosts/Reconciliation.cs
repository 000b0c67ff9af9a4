using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>Something that a reconciliation found out and an administrator should read.</summary>
internal readonly record struct Finding(EventSeverity Severity, string Kind, string Message, EntityId Subject);

/// <summary>Brings the inventory in line with what hosts say, as one edit of one snapshot. Pure: the same words give the same edit.</summary>
internal sealed class Reconciliation(InventorySnapshot now, MachineClaims claims, TaskIntents intents)
{
    private readonly Dictionary<EntityId, Entity> _put = [];
    private readonly List<Finding> _findings = [];
    private readonly List<string> _found = [];
    private readonly Dictionary<(EntityId Parent, EntityKind Kind), HashSet<string>> _names = [];
    private bool _mustSurvive;

    public IReadOnlyList<Finding> Findings => _findings;

    /// <summary>Makes the inventory say of one machine what its hosts say.</summary>
    public void Machine(EntityId id)
    {
        var known = now.Find(id) as VirtualMachine;
        var said = claims.Of(id).Where(c => !intents.IsLeftover(c, known)).ToList();
        if (known is null)
        {
            // One that is only awaited somewhere may never come: it is found once it does.
            var there = said.Where(c => !c.IsAwaited).ToList();
            if (there.Count > 0 && !intents.Settled.Contains(id))
                Add(MachinePlace.Choose(there, null));
            return;
        }

        if (said.Count > 0 && (IsAnswered(known) || MachinePlace.TakesOver(MachinePlace.Choose(said, null), known)))
            Update(known, MachinePlace.Choose(said, known.Host));
        else if (known.Host is { } host && now.Find(host) is not null && !claims.IsConnected(host))
            Put(known with { IsStale = true }, known, mustSurvive: false);
        else if (known.Host is not null && !intents.Settled.Contains(id))
            Orphan(known);
    }

    /// <summary>What a host says of itself and its datastores; null leaves a part as it is.</summary>
    public void Host(EntityId id, Func<Host, Host> change)
    {
        if (now.Find(id) is not Host known)
            return;
        var changed = change(known);
        var isSame = changed with { Datastores = known.Datastores, PortGroups = known.PortGroups } == known
            && changed.Datastores.SequenceEqual(known.Datastores) && changed.PortGroups.SequenceEqual(known.PortGroups);
        if (isSame)
            return;
        _mustSurvive |= changed.Facts != known.Facts;
        _put[id] = changed;
        foreach (var datastore in changed.Datastores)
            Datastore(changed, datastore);
    }

    /// <summary>The edit; call last.</summary>
    public InventoryEdit ToEdit()
    {
        if (_found.Count > 0)
            _findings.Add(FoundMachines());
        return new InventoryEdit([.. _put.Values], [], IsObserved: !_mustSurvive);
    }

    private bool IsAnswered(VirtualMachine vm) => vm.Host is not { } host || claims.IsConnected(host) || now.Find(host) is null;

    private void Datastore(Host host, HostDatastore said)
    {
        if (said.Problem is not null)
            return;
        if (now.Find(said.Id) is Datastore known)
            Put(known with { Capacity = said.Capacity, Free = said.Free }, known, mustSurvive: false);
        else if (now.DatacenterOf(host.Id) is { } datacenter && claims.HasMachineOn(host.Id, said.Id))
            Adopt(host, datacenter, said);
    }

    // Machines stand on it, so the host cannot give it up: the site takes it over as it is.
    private void Adopt(Host host, Datacenter datacenter, HostDatastore said)
    {
        var name = UniqueName(datacenter.Id, EntityKind.Datastore, said.Name);
        _put[said.Id] = new Datastore { Id = said.Id, Name = name, Parent = datacenter.Id, Path = said.Path, Capacity = said.Capacity, Free = said.Free };
        _mustSurvive = true;
        _findings.Add(new(EventSeverity.Info, "datastore.found", $"Host '{host.Name}' has datastore '{name}' at '{said.Path}' with machines on it.", said.Id));
    }

    private void Add(MachineClaim claim)
    {
        if (now.DatacenterOf(claim.Host) is not { } datacenter)
            return;
        var name = claim.Machine.Spec?.Name ?? Path.GetFileNameWithoutExtension(claim.Machine.Config.FileName);
        var vm = new VirtualMachine
        {
            Id = claim.Machine.Id,
            Name = UniqueName(datacenter.Id, EntityKind.VirtualMachine, name),
            Parent = datacenter.Id,
            Config = claim.Machine.Config,
        };
        _put[vm.Id] = As(vm, claim);
        _mustSurvive = true;
        if (!intents.Registered.Contains(vm.Config))
            _found.Add(vm.Name);
        if (claim.Machine.InvalidReason is { } reason)
            Invalid(vm, reason);
        LeftOut(vm, claim.Machine.Spec);
    }

    private void Update(VirtualMachine known, MachineClaim claim)
    {
        var changed = As(known, claim) with { Pool = now.PoolOn(claim.Host, known) };
        var wanted = Renamed(known, claim) ?? known.Name;
        if (now.DatacenterOf(claim.Host) is { } datacenter && now.DatacenterOf(known.Id)?.Id != datacenter.Id)
            changed = changed with { Parent = datacenter.Id, Name = UniqueName(datacenter.Id, EntityKind.VirtualMachine, wanted) };
        else if (wanted != known.Name)
            changed = changed with { Name = UniqueName(known.Parent!.Value, EntityKind.VirtualMachine, wanted) };
        var isElsewhere = changed.Host != known.Host || changed.Config != known.Config || changed.Parent != known.Parent;
        Put(changed, known, mustSurvive: isElsewhere || changed.Spec != known.Spec || changed.InvalidReason != known.InvalidReason);

        // What a task does is told by the task.
        if (wanted != known.Name && known.BusyTask is null)
            _findings.Add(new(EventSeverity.Info, "vm.renamed", $"Virtual machine '{known.Name}' is called '{changed.Name}' now: its files say so.", known.Id));
        if (changed.Host != known.Host && known.BusyTask is null)
            _findings.Add(new(EventSeverity.Info, "vm.moved", $"Virtual machine '{known.Name}' is on host '{NameOf(changed.Host)}' now{(known.Host is null ? "" : $", it was on '{NameOf(known.Host)}'")}.", known.Id));
        if (changed.Power != known.Power && known.BusyTask is null && PowerEvent(changed, known.Power) is { } finding)
            _findings.Add(finding);
        if (changed.InvalidReason is { } reason && reason != known.InvalidReason)
            Invalid(known, reason);
        // Also when it is registered again: whoever does that need not be the one who did it first.
        if (known.Host is null || known.Spec is null || changed.Spec?.DevicesLeftOut.SequenceEqual(known.Spec.DevicesLeftOut) == false)
            LeftOut(known, changed.Spec);
    }

    /// <summary>The name that a machine's files have been given, or null when it is the one that they had: then the inventory's may be another, such as
    /// one with a number because it was taken. A host that was away while another one had the machine may know an older one.</summary>
    private static string? Renamed(VirtualMachine known, MachineClaim claim) =>
        claim.Machine.Spec is { } said && known.Spec is { } before && said.Name != before.Name && claim.Machine.LockEpoch >= known.LockEpoch
            ? Names.Cleaned(said.Name)
            : null;

    private static VirtualMachine As(VirtualMachine vm, MachineClaim claim) => vm with
    {
        Host = claim.Host,
        Config = claim.Machine.Config,
        Spec = claim.Machine.Spec ?? (claim.Machine.InvalidReason is null ? vm.Spec : null),
        InvalidReason = claim.Machine.InvalidReason,
        Power = claim.Machine.Power,
        IsStale = false,
        LockEpoch = claim.IsUnread ? vm.LockEpoch : claim.Machine.LockEpoch,
        Guest = claim.Machine.Guest,
        StartedAt = claim.Machine.StartedAt,
        CpuModel = claim.Machine.CpuModel,
    };

    // Its host is there and does not know it, nor does any other: the center keeps the name and place until somebody registers or removes it.
    private void Orphan(VirtualMachine known)
    {
        Put(known with { Host = null, Power = PowerState.Unknown, IsStale = false, Guest = null, StartedAt = null, CpuModel = null }, known, mustSurvive: true);
        if (known.BusyTask is null)
            _findings.Add(new(EventSeverity.Warning, "vm.lost", $"Host '{NameOf(known.Host)}' does not have virtual machine '{known.Name}' any more, and no other connected host has it.", known.Id));
    }

    private static Finding? PowerEvent(VirtualMachine vm, PowerState before) => vm.Power switch
    {
        PowerState.On when before == PowerState.Paused => new(EventSeverity.Info, "vm.resumed", $"Virtual machine '{vm.Name}' runs again.", vm.Id),
        PowerState.On => new(EventSeverity.Info, "vm.powered-on", $"Virtual machine '{vm.Name}' is on.", vm.Id),
        PowerState.Off => new(EventSeverity.Info, "vm.powered-off", $"Virtual machine '{vm.Name}' is off.", vm.Id),
        PowerState.Paused => new(EventSeverity.Info, "vm.paused", $"Virtual machine '{vm.Name}' is paused.", vm.Id),
        _ => null,
    };

    private void Invalid(VirtualMachine vm, string reason) =>
        _findings.Add(new(EventSeverity.Warning, "vm.invalid", $"The files of virtual machine '{vm.Name}' cannot be used: {reason}.", vm.Id));

    private void LeftOut(VirtualMachine vm, MachineSpec? spec)
    {
        if (spec is { DevicesLeftOut: { IsEmpty: false } devices })
            _findings.Add(new(EventSeverity.Warning, "vm.devices-left-out", $"Virtual machine '{vm.Name}' is registered without {Listed(devices, shown: 10)}: its files name these devices, and machines here do not have them.", vm.Id));
    }

    private static string Listed(IReadOnlyList<string> names, int shown) =>
        string.Join(", ", names.Take(shown)) + (names.Count > shown ? $" and {names.Count - shown} more" : "");

    private Finding FoundMachines()
    {
        var names = Listed([.. _found.Select(n => $"'{n}'")], shown: 5);
        var first = _put.Values.OfType<VirtualMachine>().First(v => v.Name == _found[0]);
        return new(EventSeverity.Info, "vm.found", $"Host '{NameOf(first.Host)}' has machines that are new to the site: {names}.", first.Host!.Value);
    }

    private void Put(Entity changed, Entity known, bool mustSurvive)
    {
        if (changed == known)
            return;
        _put[known.Id] = changed;
        _mustSurvive |= mustSurvive;
    }

    private string NameOf(EntityId? id) => id is { } given && now.Find(given) is { } entity ? entity.Name : "?";

    private string UniqueName(EntityId parent, EntityKind kind, string wanted)
    {
        if (!_names.TryGetValue((parent, kind), out var taken))
            _names[(parent, kind)] = taken = [.. now.Children(parent).Where(e => e.Id.Kind == kind).Select(e => e.Name)];
        return Names.Unique(wanted, taken);
    }
}
