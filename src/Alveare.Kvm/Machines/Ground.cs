using System.Collections.Immutable;
using Alveare.Kvm.Files;
using Alveare.Kvm.Locks;
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
public sealed class Ground(EntityId host, string hostName, Func<EntityId, string?> rootOf)
{
    private readonly string bootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>Where a file of a datastore is on this host; a fault for a path that is not a plain relative one.</summary>
    public string PathOf(DatastorePath path)
    {
        if (DatastorePath.WhyIllegal(path.Path) is { } reason)
            throw new FaultException(new InvalidPath(path.Path, reason));
        var root = rootOf(path.Datastore)
            ?? throw new FaultException(new DatastoreNotAccessible(path.Datastore.ToString(), hostName, "it is not mounted"));
        return Path.Combine(root, path.Path);
    }

    /// <summary>A machine's configuration; a fault when the file is missing or not one.</summary>
    public MachineSpec ReadSpec(DatastorePath config)
    {
        return VmxFile.Read(config.Path, ReadConfig(config) ?? throw new FaultException(new FileNotFoundFault(PathOf(config))));
    }

    /// <summary>Writes a machine's configuration; what the file has beyond Alveare's own keys is kept.</summary>
    public void WriteSpec(DatastorePath config, MachineSpec spec)
    {
        var replaced = ReadConfig(config) is { } old ? VmxFile.TryParse(old) : null;
        DurableText.Replace(PathOf(config), VmxFile.Write(spec, replaced), config.Datastore.ToString());
    }

    /// <summary>The bytes of a configuration file (the first ones of one that is too long), or null when there is none.</summary>
    public byte[]? ReadConfig(DatastorePath config)
    {
        var path = PathOf(config);
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var content = new byte[VmxText.MaxBytes + 1];
            return content[..file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false)];
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FaultException(new HostOperationFailed($"Reading '{path}'", e.Message), e);
        }
    }

    /// <summary>The record that holds a machine's on-disk lock now.</summary>
    public LockRecord ReadLock(DatastorePath config) => LockOf(config).Read();

    /// <summary>Publishes an epoch with this host (or nobody) as the owner; false when somebody was faster.</summary>
    public bool TryPublish(DatastorePath config, long epoch, bool owned)
    {
        var seen = new LockRecord(epoch - 1, null, null, null);
        return (owned ? LockOf(config).TryTake(seen, host, hostName, bootId) : LockOf(config).Release(seen)) is not null;
    }

    /// <summary>Takes the lock for a start; answers the epoch.</summary>
    /// <remarks>A lock of this host with no process behind it is a leftover of its own: taken over.</remarks>
    public long Take(DatastorePath config, string machine, long minEpoch)
    {
        var now = ReadLock(config);
        if (now.Epoch < minEpoch)
            throw new FaultException(new StaleEpoch(machine, minEpoch, now.Epoch));
        if (now.Owner is { } owner && owner != host)
            throw new FaultException(new MachineLocked(machine, now.OwnerName ?? owner.ToString(), now.Epoch));
        return TryPublish(config, now.Epoch + 1, owned: true)
            ? now.Epoch + 1
            : throw new FaultException(new MachineLocked(machine, "another host that was faster", now.Epoch + 1));
    }

    public void Release(DatastorePath config, long epoch) => TryPublish(config, epoch + 1, owned: false);

    /// <summary>Removes the lock of a machine whose files are gone.</summary>
    public void DeleteLock(DatastorePath config) => LockOf(config).Delete();

    /// <summary>The clones that stand on disks of a machine.</summary>
    public DiskUsers UsersOf(DatastorePath config) => new(Path.GetDirectoryName(PathOf(config))!);

    /// <summary>A fault while a clone stands on a disk of this machine or is being made from it. The caller holds the machine's lock.</summary>
    public void RequireUnused(DatastorePath config, MachineSpec spec)
    {
        var files = spec.Disks.Select(d => d.File).ToHashSet();
        var user = UsersOf(config).Read().FirstOrDefault(u => u.Disks.IsEmpty || u.Disks.Any(d => files.Contains(d.File)));
        if (user is not null)
            throw new FaultException(new ObjectInUse(spec.Name, $"its clone '{user.Name}', which stands on its disks"));
    }

    private MachineLock LockOf(DatastorePath config)
    {
        var path = PathOf(config);
        return new MachineLock(Path.GetDirectoryName(path)!, Path.GetFileNameWithoutExtension(path));
    }
}
