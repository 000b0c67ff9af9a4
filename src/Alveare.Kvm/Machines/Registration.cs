using Alveare.Core.Tasks;
using Alveare.Kvm.Locks;
using Alveare.Kvm.Qemu;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>Takes machines into this host's registry and forgets them.</summary>
public sealed class Registration(MachineTable machines, Ground ground, DiskImages images, Listing listing, LeftoverFiles leftovers)
{
    /// <summary>Writes a new machine's files and registers it.</summary>
    public async Task<MachineReply> CreateAsync(CreateMachine create, CancellationToken cancellation)
    {
        if (TryFinish(create.Config, create.Spec.Uuid) is { } made)
            return made;
        var config = ground.PathOf(create.Config);
        using var unfinished = leftovers.Begin(create.Config, create.Spec.Disks.Select(d => d.File), flush: false);
        await using var undo = new UndoStack();
        MakeDirectory(config, undo);
        foreach (var disk in create.Spec.Disks)
        {
            var path = ground.PathOf(create.Config.Sibling(disk.File));
            await images.CreateAsync(path, disk, cancellation);
            undo.Push(() => File.Delete(path));
        }

        ground.WriteSpec(create.Config, create.Spec);
        undo.Push(() => File.Delete(config));
        var reply = Register(create.Config);
        undo.Clear();
        return reply;
    }

    /// <summary>Registers a machine that is to be made and is there already, since an agent was killed when it had written the configuration, the last of its
    /// files; null where there is none. A fault where another machine's is there.</summary>
    public MachineReply? TryFinish(DatastorePath config, Guid uuid)
    {
        var path = ground.PathOf(config);
        if (!File.Exists(path))
            return null;
        return ground.TryReadSpec(config)?.Uuid == uuid ? Register(config) : throw new FaultException(new FileExists(path));
    }

    /// <summary>Registers a machine from its files; one whose configuration cannot be read is registered as invalid.</summary>
    public MachineReply Register(DatastorePath config)
    {
        // Before it is listed: a clone without its entry could lose what it stands on.
        RestoreUses(config);
        return new MachineReply(listing.Add(config).Current);
    }

    /// <summary>Forgets a machine that does not run here; its files stay.</summary>
    public async Task UnregisterAsync(Machine machine, CancellationToken cancellation)
    {
        using var entered = await machine.EnterAsync(cancellation);
        machine.RequireOff();
        machines.Remove(machine);
    }

    /// <summary>Makes the directory of a new machine, unless it is there.</summary>
    public static void MakeDirectory(string config, UndoStack undo)
    {
        var directory = Path.GetDirectoryName(config)!;
        if (Directory.Exists(directory))
            return;
        Directory.CreateDirectory(directory);
        undo.Push(() => Directory.Delete(directory));
    }

    /// <summary>A linked clone whose directory was moved is entered anew with the machine it stands on.</summary>
    /// <remarks>A disk that may not be used is refused when the machine starts, as a missing one is: until then it is registered and can be mended.</remarks>
    private void RestoreUses(DatastorePath config)
    {
        if (ground.TryReadSpec(config) is not { } spec)
            return;
        var standing = spec.Disks.Select(d => (Overlay: config.Sibling(d.File), Backing: ground.BackingOf(config, d)!)).Where(d => d.Backing is not null);
        foreach (var source in standing.GroupBy(d => d.Backing.Directory))
        {
            var directory = Path.GetDirectoryName(ground.PathOf(source.First().Backing))!;
            var disks = source.Select(d => new StandingDisk(d.Backing.FileName, Path.GetRelativePath(directory, ground.PathOf(d.Overlay))));
            ground.UsersOf(source.First().Backing).Restore(new DiskUser(spec.Uuid, spec.Name, [.. disks]));
        }
    }
}
