using Alveare.Core.Tasks;
using Alveare.Kvm.Files;
using Alveare.Kvm.Locks;
using Alveare.Kvm.Qemu;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>Takes machines into this host's registry and forgets them.</summary>
public sealed class Registration(MachineTable machines, Ground ground, DiskImages images, Listing listing)
{
    /// <summary>Writes a new machine's files and registers it.</summary>
    public async Task<MachineReply> CreateAsync(CreateMachine create, CancellationToken cancellation)
    {
        var config = ground.PathOf(create.Config);
        if (File.Exists(config))
            throw new FaultException(new FileExists(config));
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

    /// <summary>Registers a machine from its files; one whose configuration cannot be read is registered as invalid.</summary>
    public MachineReply Register(DatastorePath config)
    {
        var machine = listing.Add(config);
        if (machine.Current.Spec is { } spec)
            RestoreUses(config, spec);
        return new MachineReply(machine.Current);
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

    // A disk that may not be used is refused when the machine starts, as a missing one is: until then it is registered and can be mended.
    private string? PathOfUsable(DatastorePath disk)
    {
        try
        {
            return ground.PathOf(disk);
        }
        catch (FaultException e) when (e.Fault is InvalidPath)
        {
            return null;
        }
    }

    /// <summary>A linked clone whose directory was moved is entered anew with the machine it stands on.</summary>
    private void RestoreUses(DatastorePath config, MachineSpec spec)
    {
        var overlays = spec.Disks
            .Select(d => PathOfUsable(config.Sibling(d.File)))
            .OfType<string>()
            .Select(overlay => (Overlay: overlay, Backing: Qcow2Header.ResolveBackingFile(overlay)))
            .Where(d => File.Exists(d.Backing));
        foreach (var source in overlays.GroupBy(d => Path.GetDirectoryName(d.Backing)!))
        {
            var disks = source.Select(d => new StandingDisk(Path.GetFileName(d.Backing)!, Path.GetRelativePath(source.Key, d.Overlay)));
            new DiskUsers(source.Key).Restore(new DiskUser(spec.Uuid, spec.Name, [.. disks]));
        }
    }
}
