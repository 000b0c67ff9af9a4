using Alveare.Model;
using Alveare.Model.Faults;

namespace Alveare.Simulation.Storage;

/// <summary>A directory of shared storage, at the same path on every host that has it: files, locks, and their ways to fail.</summary>
public sealed class SimulatedDatastore(string path, Bytes capacity)
{
    private readonly SortedDictionary<string, SimulatedFile> files = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, LockRecord> locks = new(StringComparer.Ordinal);
    private readonly HashSet<(string Name, LockRecord Taking)> prepared = [];

    public string Path { get; } = path;

    public Bytes Capacity { get; } = capacity;

    /// <summary>What the marker file says; null before the first mount.</summary>
    public EntityId? Id { get; set; }

    /// <summary>Hosts that have it; null for all.</summary>
    public HashSet<EntityId>? On { get; init; }

    /// <summary>Hosts that cannot reach it now.</summary>
    public HashSet<EntityId> LostBy { get; } = [];

    /// <summary>Somebody else has filled it up.</summary>
    public bool IsFull { get; set; }

    public Bytes Used { get; private set; }

    public Bytes Free => IsFull ? Bytes.Zero : Capacity - Used;

    public IEnumerable<KeyValuePair<string, SimulatedFile>> Files => files;

    public IEnumerable<KeyValuePair<string, LockRecord>> Locks => locks;

    /// <summary>Told of every new lock record: the machine's file name without extension, and the record.</summary>
    public Action<string, LockRecord>? Locked { get; set; }

    public bool IsOn(EntityId host) => On is null || On.Contains(host);

    public SimulatedFile? Find(string file) => files.GetValueOrDefault(file);

    /// <summary>Writes a file, beside the one that it replaces; a fault when there is no room.</summary>
    public void Write(string file, SimulatedFile content, string action)
    {
        RequireRoom(content.Size, action);
        Delete(file);
        files[file] = content;
        Used += content.Size;
    }

    public void Delete(string file)
    {
        if (files.Remove(file, out var deleted))
            Used -= deleted.Size;
    }

    /// <summary>The disks that are overlays of a file.</summary>
    public IEnumerable<string> OverlaysOf(string file) => files.Where(f => f.Value is DiskFile { Backing: { } b } && b == file).Select(f => f.Key);

    public LockRecord ReadLock(string name) => locks.GetValueOrDefault(name, LockRecord.None);

    /// <summary>Writes a taking beforehand; a fault when there is no room.</summary>
    public void Prepare(string name, LockRecord taking)
    {
        RequireRoom(LockRecord.TakingSize, $"writing the lock of '{name}'");
        prepared.Add((name, taking));
    }

    /// <summary>Publishes a record as <c>link(2)</c> does: false when the epoch is taken. A fault when there is no room for a taking that was not prepared.</summary>
    public bool TryPublish(string name, LockRecord record)
    {
        if (ReadLock(name).Epoch >= record.Epoch)
            return false;
        if (record.Owner is not null && !prepared.Contains((name, record)))
            RequireRoom(LockRecord.TakingSize, $"taking the lock of '{name}'");
        prepared.RemoveWhere(p => p.Name == name && p.Taking.Epoch <= record.Epoch);
        locks[name] = record;
        Locked?.Invoke(name, record);
        return true;
    }

    public void RemoveLock(string name)
    {
        prepared.RemoveWhere(p => p.Name == name);
        locks.Remove(name);
    }

    private void RequireRoom(Bytes size, string action)
    {
        if (Free < size)
            throw new FaultException(new DatastoreFull(Path, action));
    }
}
