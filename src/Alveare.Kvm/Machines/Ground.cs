using System.Collections.Immutable;
using Alveare.Kvm.Files;
using Alveare.Kvm.Locks;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>What a running machine is attached to on this host, to be taken away when it ends.</summary>
public sealed record RunAttachments(ImmutableArray<string> Taps, ImmutableArray<string> ControlGroups)
{
    public static readonly RunAttachments None = new([], []);
}

/// <summary>What machines stand on: files, the on-disk lock, networks and control groups.</summary>
public sealed class Ground(EntityId host, string hostName, DatastoreTable datastores)
{
    // QEMU 7.2 takes at most 8 MiB of firmware and variables together (hw/i386/pc.c, max-fw-size).
    private const int MaxVariables = 8 << 20;

    private readonly string bootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>Where a file of a datastore is on this host; a fault for a path that leaves it and for a datastore that is not there.</summary>
    /// <remarks>To be asked anew at every use: a symbolic link may have been put in the way since.</remarks>
    public string PathOf(DatastorePath path) => datastores.Find(path.Datastore).PathOf(path.Path);

    /// <summary>The place that <see cref="PathOf"/> would answer, without a look at the datastore: it may hang.</summary>
    public string PlaceOf(DatastorePath path) => Path.Combine(datastores.Find(path.Datastore).Directory, path.Path);

    /// <summary>A datastore's name for people.</summary>
    public string NameOf(EntityId datastore) => datastores.Find(datastore).Name;

    /// <summary>A machine's configuration; a fault when the file is missing or not one.</summary>
    public MachineSpec ReadSpec(DatastorePath config) => VmxFile.Read(
        config.FileName, ReadConfig(config) ?? throw new FaultException(new FileNotFoundFault(PathOf(config))));

    /// <summary>A registered machine's configuration as its file has it now; one that is not valid any more is listed so, unless it runs: its file is not what
    /// runs.</summary>
    public MachineSpec ReadSpec(Machine machine)
    {
        try
        {
            var spec = ReadSpec(machine.Current.Config);
            return spec.Id == machine.Id
                ? spec
                : throw new FaultException(new InvalidMachine(machine.Name, Listing.Exchanged(spec.Uuid, machine.Id)));
        }
        catch (FaultException e) when (e.Fault is InvalidMachine invalid)
        {
            machine.Change(m => machine.Run is null ? m with { Spec = null, InvalidReason = invalid.Reason } : m);
            throw;
        }
    }

    /// <summary>Writes a machine's configuration; what the file has beyond Alveare's own keys is kept.</summary>
    public void WriteSpec(DatastorePath config, MachineSpec spec)
    {
        var replaced = ReadConfig(config) is { } old ? VmxFile.TryParse(old) : null;
        Write(config, VmxFile.Write(spec, replaced));
    }

    /// <summary>Writes a small file as a whole; what it replaces stays if that fails.</summary>
    public void Write(DatastorePath path, byte[] content) => datastores.Find(path.Datastore).Replace(path.Path, content);

    /// <summary>The bytes of a configuration file (the first ones of one that is too long), or null when there is none.</summary>
    public byte[]? ReadConfig(DatastorePath config) => ReadStart(config, VmxText.MaxBytes + 1);

    /// <summary>Where a machine's UEFI variables are, beside its configuration.</summary>
    public static DatastorePath VariablesOf(DatastorePath config) => config.Sibling(VariablesOf(config.FileName));

    /// <summary>The name of the UEFI variables' file beside a configuration.</summary>
    public static string VariablesOf(string config) => Path.ChangeExtension(config, ".nvram");

    /// <summary>The names of a machine's files beside its configuration, whether they are there or not.</summary>
    public static IEnumerable<string> FilesOf(DatastorePath config, MachineSpec spec) =>
    [
        .. spec.Disks.Select(d => d.File), .. MachineLog.FilesOf(config.FileName), VariablesOf(config.FileName),
        .. new[] { spec.CustomizationSeed }.OfType<string>(),
    ];

    /// <summary>A machine's UEFI variables, or null when it has none yet.</summary>
    public byte[]? ReadVariables(DatastorePath config)
    {
        var variables = VariablesOf(config);
        var content = ReadStart(variables, MaxVariables + 1);
        return content is not { Length: > MaxVariables }
            ? content
            : throw new FaultException(new FileCorrupt(PathOf(variables), $"it has more than {MaxVariables} bytes, which no firmware's variables have"));
    }

    private byte[]? ReadStart(DatastorePath path, int most)
    {
        using var file = datastores.Find(path.Datastore).TryOpenRead(path.Path);
        if (file is null)
            return null;
        try
        {
            var content = new byte[most];
            return content[..file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false)];
        }
        catch (IOException e)
        {
            throw new FaultException(new HostOperationFailed($"Reading '{path.Path}' in datastore '{NameOf(path.Datastore)}'", e.Message), e);
        }
    }

    /// <summary>Whether a machine's configuration is known not to be there any more.</summary>
    public bool IsGone(DatastorePath config)
    {
        try
        {
            return ReadConfig(config) is null;
        }
        catch (FaultException)
        {
            // A datastore that is away says nothing of its files.
            return false;
        }
    }

    /// <summary>Checks a disk and everything it stands on; a fault names the file that is missing, corrupt or locked.</summary>
    /// <param name="alone">Whether no other process may have the disk open: not so at the destination of a migration.</param>
    public void CheckDisk(DatastorePath config, DiskSpec disk, bool alone) =>
        DiskChain.Check(datastores.Find(config.Datastore), config.Sibling(disk.File).Path, disk.Format, alone);

    /// <summary>A fault while another process has a disk open.</summary>
    public void RequireClosed(DatastorePath config, DiskSpec disk) => DiskFile.RequireClosed(datastores.Find(config.Datastore), config.Sibling(disk.File).Path);

    /// <summary>Gives a file to the user that QEMU runs as; answers where it is.</summary>
    public string Give(DatastorePath path, QemuUser user) => datastores.Find(path.Datastore).Give(path.Path, user.Uid, user.Gid);

    /// <summary>The record that holds a machine's on-disk lock now.</summary>
    public LockRecord ReadLock(DatastorePath config) => LockOf(config).Read();

    /// <summary>Whether a lock was taken since this host was booted.</summary>
    public bool IsOfThisBoot(LockRecord held) => held.BootId == bootId;

    /// <summary>Publishes an epoch with this host (or nobody) as the owner; false when somebody was faster.</summary>
    public bool TryPublish(DatastorePath config, long epoch, bool owned) => TryPublish(LockOf(config), epoch, owned, survives: true);

    /// <summary>Writes the taking of an epoch by this host beforehand, so that <see cref="TryPublish(DatastorePath, long, bool)"/> needs no room for it.</summary>
    public void Prepare(DatastorePath config, long epoch) => LockOf(config).Prepare(new LockRecord(epoch - 1, null, null, null), host, hostName, bootId);

    /// <summary>Takes the lock for a start; answers the epoch.</summary>
    /// <remarks>A lock of this host with no process behind it is a leftover of its own: taken over.</remarks>
    /// <param name="survives">As of <see cref="MachineLock.TryTake"/>.</param>
    public long Take(DatastorePath config, string machine, long minEpoch, bool survives = true)
    {
        var held = LockOf(config);
        var now = held.Read();
        // A datastore that lost power may have lost the last releasing, which was told to the center: it is done again.
        if (now.Owner == host && now.Epoch + 1 == minEpoch && TryPublish(held, minEpoch, owned: false, survives: true))
            now = held.Read();
        if (now.Epoch < minEpoch)
            throw new FaultException(new StaleEpoch(machine, minEpoch, now.Epoch));
        RequireOwn(now, machine);
        if (TryPublish(held, now.Epoch + 1, owned: true, survives))
            return now.Epoch + 1;
        // Somebody was faster, and may have released it again since.
        now = held.Read();
        RequireOwn(now, machine);
        throw new FaultException(new MachineLocked(machine, now.OwnerName ?? "a host that has released it since", now.Epoch));
    }

    private void RequireOwn(LockRecord now, string machine)
    {
        if (now.Owner is { } owner && owner != host)
            throw new FaultException(new MachineLocked(machine, now.OwnerName ?? owner.ToString(), now.Epoch));
    }

    /// <summary>Gives up a lock that is held at <paramref name="epoch"/>; answers the epoch after that.</summary>
    /// <remarks>A datastore that is away must not keep anybody from cleaning up: a lock that stays behind is this host's own, which
    /// takes it over at the next start.</remarks>
    public long Release(DatastorePath config, long epoch)
    {
        try
        {
            TryPublish(config, epoch + 1, owned: false);
            return epoch + 1;
        }
        catch (FaultException)
        {
            return epoch;
        }
    }

    /// <summary>As <see cref="ReadLock"/>, or null when the datastore is away or the record is broken.</summary>
    public LockRecord? TryReadLock(DatastorePath config)
    {
        try
        {
            return ReadLock(config);
        }
        catch (FaultException)
        {
            return null;
        }
    }

    /// <summary>Removes the lock of a machine whose files are gone.</summary>
    public void DeleteLock(DatastorePath config) => LockOf(config).Delete();

    /// <summary>The clones that stand on disks of a machine.</summary>
    public DiskUsers UsersOf(DatastorePath config) => new(Path.GetDirectoryName(PathOf(config.Sibling(DiskUsers.EntriesName)))!);

    /// <summary>The file that a disk stands on; null for one that stands alone, and for one that may not be used.</summary>
    public DatastorePath? BackingOf(DatastorePath config, DiskSpec disk) =>
        DiskChain.FindBacking(datastores.Find(config.Datastore), config.Sibling(disk.File).Path, disk.Format) is { } backing
            ? new DatastorePath(config.Datastore, backing)
            : null;

    /// <summary>A fault while a clone stands on a disk of this machine or is being made from it. The caller holds the machine's lock.</summary>
    public void RequireUnused(DatastorePath config, MachineSpec spec)
    {
        var files = spec.Disks.Select(d => d.File).ToHashSet();
        var user = UsersOf(config).Read().FirstOrDefault(u => u.Disks.IsEmpty || u.Disks.Any(d => files.Contains(d.File)));
        if (user is not null)
            throw new FaultException(new ObjectInUse(spec.Name, $"its clone '{NameOf(user, config)}', which stands on its disks"));
    }

    /// <summary>What a clone is called now, which its own configuration says; its entry says what it was made as.</summary>
    private string NameOf(DiskUser clone, DatastorePath source)
    {
        if (clone.Disks.IsEmpty)
            return clone.Name;
        var overlay = Path.GetFullPath(clone.Disks[0].Overlay, Path.GetDirectoryName(PathOf(source))!);
        var root = datastores.Find(source.Datastore).Directory;
        return Directory.EnumerateFiles(Path.GetDirectoryName(overlay)!, "*.vmx")
            .Select(f => TryReadSpec(new DatastorePath(source.Datastore, Path.GetRelativePath(root, f))))
            .FirstOrDefault(s => s?.Uuid == clone.Uuid)?.Name ?? clone.Name;
    }

    /// <summary>As <see cref="ReadSpec(DatastorePath)"/>, or null.</summary>
    public MachineSpec? TryReadSpec(DatastorePath config)
    {
        try
        {
            return ReadSpec(config);
        }
        catch (FaultException)
        {
            return null;
        }
    }

    private bool TryPublish(MachineLock machine, long epoch, bool owned, bool survives)
    {
        var seen = new LockRecord(epoch - 1, null, null, null);
        return (owned ? machine.TryTake(seen, host, hostName, bootId, survives) : machine.Release(seen)) is not null;
    }

    private MachineLock LockOf(DatastorePath config)
    {
        var path = PathOf(config);
        return new MachineLock(Path.GetDirectoryName(path)!, Path.GetFileNameWithoutExtension(path), NameOf(config.Datastore));
    }
}
