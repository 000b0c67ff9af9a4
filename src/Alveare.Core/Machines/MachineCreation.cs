using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Planning.Placement;

namespace Alveare.Core.Machines;

/// <summary>New machines with empty disks, and machines from clones.</summary>
internal sealed class MachineCreation(MachineGround ground, MachineMaking making, ArrivalPlacement placement)
{
    public async Task CreateAsync(CreateVm operation, TaskContext context)
    {
        var now = ground.Now;
        var datacenter = now.Get<Datacenter>(operation.Target);
        var container = MachineChecks.Container(now, datacenter, operation.Folder, operation.Name);
        var capacities = operation.Disks ?? [];
        var portGroups = operation.PortGroups ?? [];
        now.CheckFree(container, EntityKind.VirtualMachine, operation.Name);
        MachineChecks.Size(operation.Name, operation.Cpus, operation.Memory);
        MachineChecks.Disks(operation.Name, capacities);
        MachineChecks.PortGroups(now, datacenter, operation.Name, portGroups);
        var datastore = MachineChecks.DatastoreOf(now, datacenter, operation.Datastore, operation.Name);
        var spec = new MachineSpec
        {
            Uuid = ground.Ids.NewUuid(),
            Name = operation.Name,
            Cpus = operation.Cpus,
            Memory = operation.Memory,
            Firmware = operation.Firmware,
            Nics = making.NewNics(portGroups),
        };

        using var room = await placement.PromiseAsync(
            spec.Id, MachineNeeds.Of(spec, datastore.Id, datastore.Name), spec.Resources, datacenter, operation.Location, willRun: false, context);
        await making.MakeAsync(
            new NewMachine(
                spec.Uuid, operation.Name, container, datastore.Id, room.Host, MachinePlacement.PoolOf(operation.Location),
                directory => spec with { Disks = MachineLayout.Disks(directory, capacities.Select(c => (c, DiskFormat.Qcow2)), []) },
                (config, whole) => new CreateMachine(config, whole)),
            context);
    }

    public async Task CloneAsync(CloneVm operation, TaskContext context)
    {
        var now = ground.Now;
        var source = now.Get<VirtualMachine>(operation.Target);
        var datacenter = now.DatacenterOf(source.Id)!;
        var container = MachineChecks.Container(now, datacenter, operation.Folder ?? source.Parent, operation.Name);
        now.CheckFree(container, EntityKind.VirtualMachine, operation.Name);
        MachineChecks.Customization(operation.Name, operation.Customization);
        var spec = SpecOf(operation, source, datacenter);
        var datastore = DatastoreOf(operation, source, datacenter);
        var disks = MachineGround.SpecOf(source).Disks;
        // An overlay is qcow2 whatever it stands on.
        var formats = disks.Select(d => (d.Capacity, operation.Kind == CloneKind.Linked ? DiskFormat.Qcow2 : d.Format)).ToList();
        var from = new NamedDatastore(source.Config.Datastore, ground.NameOf(source.Config.Datastore));

        using var room = await placement.PromiseAsync(
            spec.Id, MachineNeeds.Of(spec, datastore.Id, datastore.Name) with { Source = from }, spec.Resources, datacenter, operation.Location, operation.PowerOn, context);
        if (operation.PowerOn)
            context.SetPowersOn();
        await making.MakeAsync(
            new NewMachine(
                spec.Uuid, operation.Name, container, datastore.Id, room.Host, MachinePlacement.PoolOf(operation.Location),
                directory => spec with { Disks = MachineLayout.Disks(directory, formats, []) },
                (config, whole) => new CloneMachine(source.Config, config, whole, operation.Kind, operation.Customization)),
            context,
            context.Progress(0, operation.PowerOn ? 90 : 100),
            context.Cancellation);
        if (!operation.PowerOn)
            return;
        // The copy is whole and stays, whatever starting it meets.
        context.PointOfNoReturn = "the clone is made and is being powered on";
        await ground.Tasks.RunWithinAsync(context, new PowerOn { Target = spec.Id, Host = room.Host });
        context.SetResult(spec.Id);
    }

    private MachineSpec SpecOf(CloneVm operation, VirtualMachine source, Datacenter datacenter)
    {
        if (operation is { AsTemplate: true, PowerOn: true })
            throw new FaultException(new InvalidArgument($"Virtual machine '{operation.Name}'", "power-on", "asked for", "not asked for when a template is made"));
        var model = MachineGround.SpecOf(source);
        var portGroups = operation.PortGroups ?? [.. model.Nics.Select(n => n.PortGroup)];
        var spec = model with
        {
            Uuid = ground.Ids.NewUuid(),
            Name = operation.Name,
            Cpus = operation.Cpus ?? model.Cpus,
            Memory = operation.Memory ?? model.Memory,
            Nics = making.NewNics(portGroups),
            IsTemplate = operation.AsTemplate,
            // The source's seed was for the source; a new one is named by the host that writes it.
            CustomizationSeed = null,
            // They are in the source's file, and the clone's is a new one.
            DevicesLeftOut = [],
        };
        MachineChecks.Size(operation.Name, spec.Cpus, spec.Memory);
        MachineChecks.PortGroups(ground.Now, datacenter, operation.Name, portGroups);
        return spec;
    }

    private NamedDatastore DatastoreOf(CloneVm operation, VirtualMachine source, Datacenter datacenter)
    {
        var id = operation.Datastore ?? source.Config.Datastore;
        var name = operation.Datastore is null ? ground.NameOf(id) : MachineChecks.DatastoreOf(ground.Now, datacenter, id, operation.Name).Name;
        if (operation.Kind == CloneKind.Linked && id != source.Config.Datastore)
        {
            throw new FaultException(new InvalidArgument(
                $"Virtual machine '{operation.Name}'", "the datastore of a linked clone", $"'{name}'", $"'{ground.NameOf(source.Config.Datastore)}', where its source is"));
        }

        return new NamedDatastore(id, name);
    }
}
