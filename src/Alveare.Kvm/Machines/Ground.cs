using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>What a running machine is attached to on this host, to be taken away when it ends.</summary>
public sealed record RunAttachments(ImmutableArray<string> Taps, ImmutableArray<string> ControlGroups)
{
    public static readonly RunAttachments None = new([], []);
}

/// <summary>Who holds a machine's on-disk lock.</summary>
public sealed record LockState(long Epoch, EntityId? Owner, string? OwnerName);

/// <summary>What machines stand on: files, the on-disk lock, networks and control groups.</summary>
public sealed class Ground(EntityId host, string hostName, Func<EntityId, string?> rootOf)
{
    public string PathOf(DatastorePath path) => Path.Combine(
        rootOf(path.Datastore) ?? throw new FaultException(new DatastoreNotAccessible(path.Datastore.ToString(), hostName, "it is not mounted")), path.Path);

    public MachineSpec ReadSpec(DatastorePath config) => ModelJson.Read<MachineSpec>(File.ReadAllText(PathOf(config)));

    public void WriteSpec(DatastorePath config, MachineSpec spec) => File.WriteAllText(PathOf(config), ModelJson.Write(spec));

    public LockState ReadLock(DatastorePath config)
    {
        var path = PathOf(config);
        var prefix = Path.GetFileNameWithoutExtension(path) + ".lock.";
        var newest = Directory.EnumerateFiles(Path.GetDirectoryName(path)!, prefix + "*")
            .Select(f => long.TryParse(Path.GetFileName(f)[prefix.Length..], out var e) ? e : 0).DefaultIfEmpty(0).Max();
        if (newest == 0)
            return new LockState(0, null, null);
        var content = ModelJson.Read<LockState>(File.ReadAllText(Path.ChangeExtension(path, null) + $".lock.{newest}"));
        return content with { Epoch = newest };
    }

    /// <summary>Publishes the next epoch with this host (or nobody) as owner; false when somebody was faster.</summary>
    public bool TryPublish(DatastorePath config, long epoch, bool owned)
    {
        var path = Path.ChangeExtension(PathOf(config), null) + $".lock.{epoch}";
        try
        {
            using var file = new FileStream(path, FileMode.CreateNew);
            file.Write(ModelJson.WriteBytes(new LockState(epoch, owned ? host : null, owned ? hostName : null)));
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Takes the lock for a start; answers the epoch.</summary>
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
}
