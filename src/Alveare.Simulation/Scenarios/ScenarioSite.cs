using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Stores;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>The small site that a scenario begins with, as a site would be found after a quiet night: hosts, storage, machines that are
/// off, and a store that knows them all.</summary>
internal sealed class ScenarioSite
{
    private readonly World world;
    private readonly SiteShape? shape;

    /// <param name="shape">Null for a small one by the dice, without a cluster.</param>
    public ScenarioSite(World world, SiteShape? shape = null)
    {
        this.world = world;
        this.shape = shape;
        Site = new SimulatedSite(world);
        Store = new SimulatedStore(world);
        Datacenter = new EntityId(EntityKind.Datacenter, world.Ids.NewUuid());
        var entities = new List<Entity> { new Datacenter { Id = Datacenter, Name = "dc", Parent = EntityId.Root } };
        if (shape is not null)
        {
            Cluster = new EntityId(EntityKind.Cluster, world.Ids.NewUuid());
            entities.Add(new Cluster { Id = Cluster.Value, Name = "cluster", Parent = Datacenter });
        }

        var hosts = shape?.Hosts ?? world.Dice.Next(2, 5);
        for (var number = 1; number <= hosts; number++)
            entities.Add(AddHost($"h{number}"));
        var datastores = world.Dice.Next(1, 3);
        for (var number = 1; number <= datastores; number++)
            entities.Add(AddDatastore($"ds{number}"));
        Site.AddDatastore("/extra", Bytes.FromGib(20));
        var machines = shape?.Machines ?? world.Dice.Next(1, 4);
        for (var number = 1; number <= machines; number++)
            entities.Add(AddMachine($"vm{number}", isTemplate: false));
        entities.Add(AddMachine("template", isTemplate: true));
        // The agents look at their disks once, when they start.
        foreach (var host in Site.Hosts)
        {
            host.KillAgent();
            host.StartAgent();
        }

        Store.Seed(entities.Select(e => new StoreWrite(StoreKind.Entity, e.Id.ToString(), ModelJson.Write(e))));
    }

    public SimulatedSite Site { get; }

    public SimulatedStore Store { get; }

    public EntityId Datacenter { get; }

    /// <summary>The cluster that all hosts are in, or null.</summary>
    public EntityId? Cluster { get; }

    public List<EntityId> Datastores { get; } = [];

    private Model.Inventory.Host AddHost(string name)
    {
        var host = Site.AddHost(name, shape?.HostMemory ?? Bytes.FromGib(4), shape?.CpuThreads ?? SimulatedSite.CpuThreads);
        host.Owner = Site.Center;
        return new Model.Inventory.Host
        {
            Id = host.Id, Name = name, Parent = Cluster ?? Datacenter, Address = host.Address, Fingerprint = host.Fingerprint, Facts = host.Facts,
        };
    }

    private Datastore AddDatastore(string name)
    {
        var store = Site.AddDatastore($"/{name}", Bytes.FromGib(20));
        var id = EntityId.Datastore(world.Ids.NewUuid());
        store.Id = id;
        Datastores.Add(id);
        foreach (var host in Site.Hosts)
            host.Disk.Datastores[id] = new MountDatastore(id, name, store.Path);
        return new Datastore { Id = id, Name = name, Parent = Datacenter, Path = store.Path };
    }

    private VirtualMachine AddMachine(string name, bool isTemplate)
    {
        var index = world.Dice.Next(Datastores.Count);
        var store = Site.Datastores[index];
        var config = new DatastorePath(Datastores[index], $"{name}/{name}.vmx");
        var spec = new MachineSpec
        {
            Uuid = world.Ids.NewUuid(),
            Name = name,
            Cpus = 1,
            Memory = shape is null ? Bytes.FromMib(512) : Bytes.FromGib(world.Dice.Next(1, shape.LargestGib + 1)),
            Disks = [new DiskSpec($"{name}.qcow2", Bytes.FromGib(2))],
            IsTemplate = isTemplate,
        };
        store.Write(config.Path, new ConfigFile(spec), "seeding");
        store.Write(config.Sibling(spec.Disks[0].File).Path, new DiskFile(Bytes.FromGib(2), Bytes.FromGib(1)), "seeding");
        store.TryPublish(SimulatedQemu.LockNameOf(config), new LockRecord(1, null, null));
        var host = Site.Hosts[world.Dice.Next(Site.Hosts.Count)];
        host.Disk.Machines[spec.Id] = config;
        return new VirtualMachine
        {
            Id = spec.Id, Name = name, Parent = Datacenter, Config = config, Host = host.Id, Spec = spec, Power = PowerState.Off, LockEpoch = 1,
        };
    }
}

/// <summary>How large a scenario's site is.</summary>
/// <param name="HostMemory">Of each host.</param>
/// <param name="LargestGib">Memory of the largest machine, GiB.</param>
/// <param name="CpuThreads">Of each host.</param>
internal sealed record SiteShape(int Hosts, int Machines, Bytes HostMemory, int LargestGib, int CpuThreads = SimulatedSite.CpuThreads);
