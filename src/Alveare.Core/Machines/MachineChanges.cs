using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Resources;
using Alveare.Planning.Placement;

namespace Alveare.Core.Machines;

/// <summary>Changes of what a machine is made of, and of what it is promised.</summary>
internal sealed class MachineChanges(MachineGround ground, MachineMaking making)
{
    public async Task ReconfigureAsync(ReconfigureVm operation, TaskContext context)
    {
        var now = ground.Now;
        var vm = now.Get<VirtualMachine>(operation.Target);
        var spec = MachineGround.SpecOf(vm);
        var added = operation.AddDisks ?? [];
        MachineChecks.Size(vm.Name, operation.Cpus ?? spec.Cpus, operation.Memory ?? spec.Memory);
        MachineChecks.Disks(vm.Name, added, spec.Disks.Length);
        if (operation.PortGroups is { } asked && now.DatacenterOf(vm.Id) is { } datacenter)
            MachineChecks.PortGroups(now, datacenter, vm.Name, asked);

        var stem = vm.Config.FileName[..^Path.GetExtension(vm.Config.FileName).Length];
        var wanted = spec with
        {
            Cpus = operation.Cpus ?? spec.Cpus,
            Memory = operation.Memory ?? spec.Memory,
            Nics = operation.PortGroups is { } portGroups ? Nics(spec.Nics, portGroups) : spec.Nics,
        };
        MachineSpec Named(string disks) => wanted with { Disks = [.. spec.Disks, .. MachineLayout.Disks(disks, added.Select(c => (c, DiskFormat.Qcow2)), spec.Disks)] };
        try
        {
            await ApplyAsync(vm, Named(stem));
        }
        catch (FaultException e) when (e.Fault is FileExists)
        {
            // Files of disks that left the configuration, or that a host was making when it was killed: they are left alone.
            await ApplyAsync(vm, Named(MachineLayout.Unique(stem, ground.Ids.NewUuid())));
        }
    }

    /// <summary>Has the host write the name into the machine's files; what it says of them then is the name in the inventory.</summary>
    /// <remarks>An engine that is killed in here leaves one or the other name: the one in the files, which is what the host says next.</remarks>
    public async Task RenameAsync(RenameVm operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        ground.Now.CheckFree(vm.Parent!.Value, EntityKind.VirtualMachine, operation.Name, except: vm.Id);
        _ = MachineGround.SpecOf(vm);
        await NameAsync(vm, operation.Name);
        context.Undo.Push(() => NameAsync(vm, vm.Name));
        await ground.Inventory.ApplyAsync(now =>
        {
            var named = now.Get<VirtualMachine>(vm.Id);
            if (named.Name == operation.Name)
                return InventoryEdit.Nothing;
            // Its files had the name before, or another machine has been given it meanwhile.
            now.CheckFree(named.Parent!.Value, EntityKind.VirtualMachine, operation.Name, except: vm.Id);
            return InventoryEdit.Of(named with { Name = operation.Name });
        });
    }

    private Task NameAsync(VirtualMachine vm, string name) =>
        ground.ExecuteAsync(MachineGround.HostOf(vm), vm.Id, new RenameMachine(vm.Id, name), m => m?.Spec?.Name == name);

    public async Task SetResourcesAsync(SetResources operation, TaskContext context)
    {
        var vm = ground.Now.Get<VirtualMachine>(operation.Target);
        var spec = MachineGround.SpecOf(vm);
        var (cpu, memory) = (spec.Resources.Cpu, spec.Resources.Memory);
        var wanted = spec with
        {
            Resources = new ResourceControls
            {
                Cpu = new CpuControl
                {
                    Reservation = operation.CpuReservation ?? cpu.Reservation,
                    Limit = Optional.Changed(cpu.Limit, operation.CpuLimit),
                    Shares = Shares(operation.CpuShares, operation.CpuShareLevel, ShareScale.NormalCpu * spec.Cpus, cpu.Shares),
                },
                Memory = new MemoryControl
                {
                    Reservation = operation.MemoryReservation ?? memory.Reservation,
                    Limit = Optional.Changed(memory.Limit, operation.MemoryLimit),
                    Shares = Shares(operation.MemoryShares, operation.MemoryShareLevel, ShareScale.NormalMemory * spec.Memory.Mib, memory.Shares),
                },
            },
            Disks = DeviceControls.Disks(operation, vm.Name, spec.Disks),
            Nics = DeviceControls.Nics(operation, vm.Name, spec.Nics),
        };
        if (MachineSpecRules.Check(wanted).FirstOrDefault() is { } flaw)
            throw new FaultException(new InvalidArgument($"Virtual machine '{vm.Name}'", flaw.Where, flaw.Given, flaw.Expected));
        // What runs is promised more only where its host and its resource pool can keep it.
        using var room = vm.MayRun && MachineGround.HostOf(vm) is var host
            ? await ground.Rooms.Promise(
                [new(vm.Id, spec.Memory, wanted.Resources)],
                now => [now.Get<Host>(host)],
                rooms => HostFit.Promises(vm.Name, wanted.Resources.Cpu.Reservation, rooms[0]).FirstOrDefault() is { } fault ? throw new FaultException(fault) : host).SettleAsync()
            : null;
        var set = new SetMachineResources(vm.Id, wanted.Resources)
        {
            Disks = [.. wanted.Disks.Select(d => d.Control)],
            Nics = [.. wanted.Nics.Select(n => n.Control)],
        };
        await ground.ExecuteAsync(MachineGround.HostOf(vm), vm.Id, set, m => m?.Spec is { } now && now == set.ApplyTo(now));
    }

    private static int? Shares(int? number, ShareLevel? level, long normal, int? present) =>
        level is { } word ? ShareScale.Of(word, normal) : Optional.Changed(present, number);

    public Task MarkTemplateAsync(MarkTemplate operation, TaskContext context) => MarkAsync(ground.Now.Get<VirtualMachine>(operation.Target), isTemplate: true);

    public Task MarkVmAsync(MarkVm operation, TaskContext context) => MarkAsync(ground.Now.Get<VirtualMachine>(operation.Target), isTemplate: false);

    private Task MarkAsync(VirtualMachine vm, bool isTemplate)
    {
        var spec = MachineGround.SpecOf(vm);
        if (spec.IsTemplate != isTemplate)
            return ApplyAsync(vm, spec with { IsTemplate = isTemplate });
        const string machine = "a virtual machine";
        const string template = "a template";
        throw new FaultException(new InvalidState(vm.Name, $"{(isTemplate ? template : machine)} already", isTemplate ? machine : template));
    }

    private Task ApplyAsync(VirtualMachine vm, MachineSpec spec) =>
        ground.ExecuteAsync(MachineGround.HostOf(vm), vm.Id, new ReconfigureMachine(vm.Id, spec), m => m?.Spec == spec);

    // A card that stays keeps its address: to the guest it is the same card, on another network perhaps.
    private ImmutableArray<NicSpec> Nics(ImmutableArray<NicSpec> present, IReadOnlyList<string> portGroups) =>
    [
        .. present.Zip(portGroups, (nic, portGroup) => nic with { PortGroup = portGroup }),
        .. making.NewNics(portGroups.Skip(present.Length)),
    ];
}
