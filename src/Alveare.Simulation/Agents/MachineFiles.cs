using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Agents;

/// <summary>Makes, changes and deletes the files of machines.</summary>
internal sealed class MachineFiles(Ground ground, MachineTable machines)
{
    // An empty disk takes some blocks; a machine's own data is a part of its capacity.
    private static readonly Bytes EmptyDisk = new(200 * 1024);

    public async Task<AgentMachine> CreateAsync(CreateMachine create)
    {
        RequireFree(create.Config);
        await ground.World.PauseAsync(20);
        Write(create.Config, create.Spec, _ => (EmptyDisk, null), "creating a virtual machine");
        return await RegisterMadeAsync(create.Config);
    }

    public AgentMachine Register(DatastorePath config)
    {
        if (ground.Store(config).Find(config.Path) is null)
            throw new FaultException(new FileNotFoundFault(config.Path));
        var known = machines.All.FirstOrDefault(m => m.Current.Config == config);
        var described = Describe(known?.Id ?? EntityId.Vm(ground.World.Ids.NewUuid()), config);
        if (machines.TryFind(described.Id) is { } other && other.Current.Config != config)
            throw new FaultException(new ObjectInUse(config.Path, $"'{other.Current.Config.Path}', which has the same uuid"));
        if (known is not null && known.Id != described.Id)
            machines.Remove(known);
        return machines.Add(described);
    }

    /// <summary>What a machine's files say.</summary>
    /// <param name="id">The id it has while they cannot be read.</param>
    public HostMachine Describe(EntityId id, DatastorePath config)
    {
        var described = new HostMachine { Id = id, Config = config, Power = PowerState.Off };
        try
        {
            var spec = ground.ReadSpec(config);
            return described with { Id = spec.Id, Spec = spec, LockEpoch = ground.ReadLock(config).Epoch };
        }
        catch (FaultException e)
        {
            return described with { InvalidReason = e.Fault.Message };
        }
    }

    public async Task<AgentMachine> CloneAsync(CloneMachine clone, IProgress<HostProgress>? progress)
    {
        var source = ground.ReadSpec(clone.Source);
        RequireFree(clone.Target);
        RequireStill(clone.Source, source);
        // A linked clone is one file that names another; a full copy takes its time, and its room from the beginning.
        for (var step = 1; clone.Kind == CloneKind.Full && step <= 3; step++)
        {
            await ground.World.PauseAsync(300);
            progress?.Report(new HostProgress(step * 30, "copy"));
        }

        RequireStill(clone.Source, source);
        RequireFree(clone.Target);
        var from = ground.Store(clone.Source);
        Write(clone.Target, clone.Spec, index => DiskOf(clone, source, from, index), "cloning a virtual machine");
        return await RegisterMadeAsync(clone.Target);
    }

    // An agent that is killed here has made files that it does not know.
    private async Task<AgentMachine> RegisterMadeAsync(DatastorePath config)
    {
        await ground.World.PauseAsync(20);
        return Register(config);
    }

    public async Task SetResourcesAsync(AgentMachine machine, SetMachineResources set)
    {
        using var entered = await machine.EnterAsync();
        RequireNoMigration(machine);
        Rewrite(machine, set.ApplyTo);
    }

    public async Task RenameAsync(AgentMachine machine, string name)
    {
        using var entered = await machine.EnterAsync();
        RequireNoMigration(machine);
        await ground.World.PauseAsync(10);
        if (machine.Run is not null)
        {
            Rewrite(machine, Renamed);
            return;
        }

        // Another host that has it registered as it was is told apart by the epoch.
        var config = machine.Current.Config;
        var epoch = ground.Take(config, machine.Name, 0);
        try
        {
            Rewrite(machine, Renamed);
        }
        finally
        {
            await ground.ReleaseAsync(config, epoch);
            machine.Change(m => m with { LockEpoch = epoch + 1 });
        }

        MachineSpec Renamed(MachineSpec spec) => spec with { Name = name };
    }

    private void Rewrite(AgentMachine machine, Func<MachineSpec, MachineSpec> change)
    {
        var config = machine.Current.Config;
        var spec = change(ground.ReadSpec(config));
        ground.Store(config).Write(config.Path, new ConfigFile(spec), "writing the configuration");
        machine.Change(m => m with { Spec = spec });
    }

    private static void RequireNoMigration(AgentMachine machine)
    {
        if (machine.Current.Migration is { } migration)
            throw new FaultException(new InvalidState(machine.Name, $"being migrated ({migration.Id})", "in no migration"));
    }

    public async Task ReconfigureAsync(AgentMachine machine, MachineSpec spec)
    {
        using var entered = await machine.EnterAsync();
        machine.RequireOff();
        var config = machine.Current.Config;
        var now = ground.ReadSpec(config);
        RequireStill(config, now);
        foreach (var (old, changed) in now.Disks.Join(spec.Disks, d => d.File, d => d.File, (old, changed) => (old, changed)))
        {
            if (changed.Capacity < old.Capacity)
                throw new FaultException(new InvalidArgument(now.Name, $"capacity of disk '{old.File}'", changed.Capacity.ToString(), $"at least {old.Capacity}: disks grow, they never shrink"));
        }

        await ground.World.PauseAsync(10);
        var added = spec.Disks.Where(d => now.Disks.All(o => o.File != d.File)).Select(d => (config.Sibling(d.File).Path, Disk: d)).ToList();
        if (added.Find(a => ground.Store(config).Find(a.Path) is not null) is { Path: { } taken })
            throw new FaultException(new FileExists(taken));
        foreach (var (path, disk) in added)
            ground.Store(config).Write(path, new DiskFile(disk.Capacity, EmptyDisk), "adding a disk");
        if (ground.World.Defect != Defect.ChangeIsNotWritten)
            ground.Store(config).Write(config.Path, new ConfigFile(spec), "writing the configuration");
        machine.Change(m => m with { Spec = spec });
    }

    public async Task DestroyAsync(AgentMachine machine)
    {
        using var entered = await machine.EnterAsync();
        machine.RequireOff();
        var config = machine.Current.Config;
        var store = ground.Store(config);
        if (store.Find(config.Path) is not null)
        {
            var spec = ground.ReadSpec(config);
            var files = spec.Disks.Select(d => config.Sibling(d.File).Path).ToList();
            if (files.SelectMany(store.OverlaysOf).FirstOrDefault() is { } overlay)
                throw new FaultException(new ObjectInUse(machine.Name, $"linked clone '{overlay}'"));
            // With the lock in hand nobody starts it in between.
            ground.Take(config, machine.Name, 0);
            await ground.World.PauseAsync(10);
            Delete(ground.Store(config), config, spec, files);
        }

        machines.Remove(machine);
    }

    private static void Delete(SimulatedDatastore store, DatastorePath config, MachineSpec spec, List<string> disks)
    {
        disks.ForEach(store.Delete);
        if (spec.CustomizationSeed is { } seed)
            store.Delete(config.Sibling(seed).Path);
        store.Delete(config.Path);
        store.RemoveLock(Processes.SimulatedQemu.LockNameOf(config));
    }

    private static (Bytes Allocated, string? Backing) DiskOf(CloneMachine clone, MachineSpec source, SimulatedDatastore from, int index)
    {
        if (index >= source.Disks.Length)
            return (EmptyDisk, null);
        var path = clone.Source.Sibling(source.Disks[index].File).Path;
        var file = from.Find(path) as DiskFile ?? throw new FaultException(new FileNotFoundFault(path));
        return clone.Kind == CloneKind.Linked ? (EmptyDisk, path) : (file.Allocated, null);
    }

    /// <summary>Writes all files of a machine, its configuration last, or none.</summary>
    private void Write(DatastorePath config, MachineSpec spec, Func<int, (Bytes Allocated, string? Backing)> disk, string action)
    {
        var store = ground.Store(config);
        var written = new List<string>();
        try
        {
            foreach (var (index, added) in spec.Disks.Index())
            {
                var path = config.Sibling(added.File).Path;
                if (store.Find(path) is not null)
                    throw new FaultException(new FileExists(path));
                var (allocated, backing) = disk(index);
                store.Write(path, new DiskFile(added.Capacity, allocated, backing), action);
                written.Add(path);
            }

            if (spec.CustomizationSeed is { } seed)
            {
                store.Write(config.Sibling(seed).Path, new PlainFile(new Bytes(64 * 1024)), action);
                written.Add(config.Sibling(seed).Path);
            }

            store.Write(config.Path, new ConfigFile(spec), action);
        }
        catch (FaultException)
        {
            written.ForEach(store.Delete);
            throw;
        }
    }

    private void RequireFree(DatastorePath config)
    {
        if (ground.Store(config).Find(config.Path) is not null)
            throw new FaultException(new FileExists(config.Path));
    }

    // The lock, not this host's table, says whether anybody writes these files.
    private void RequireStill(DatastorePath config, MachineSpec spec)
    {
        if (ground.ReadLock(config) is { Owner: { } owner } held)
            throw new FaultException(new MachineLocked(spec.Name, held.OwnerName ?? owner.ToString(), held.Epoch));
    }
}
