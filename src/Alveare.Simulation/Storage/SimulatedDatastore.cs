using Alveare.Model;
using Alveare.Model.Faults;

namespace Alveare.Simulation.Storage;

/// <summary>A directory of shared storage, at the same path on every host that has it: files, locks, and their ways to fail.</summary>
public sealed class SimulatedDatastore(string path, Bytes capacity)
{
    private readonly SortedDictionary<string, SimulatedFile> files = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, LockRecord> locks = new(StringComparer.Ordinal);

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

    public Bytes Used => new(files.Values.Sum(f => f.Size.Value));

    public Bytes Free => IsFull ? Bytes.Zero : Capacity - Used;

    public IEnumerable<KeyValuePair<string, SimulatedFile>> Files => files;

    public IEnumerable<KeyValuePair<string, LockRecord>> Locks => locks;

    /// <summary>Told of every new lock record: the machine's file name without extension, and the record.</summary>
    public Action<string, LockRecord>? Locked { get; set; }

    public bool IsOn(EntityId host) => On is null || On.Contains(host);

    public SimulatedFile? Find(string file) => files.GetValueOrDefault(file);

    /// <summary>Writes a file; a fault when there is no room.</summary>
    public void Write(string file, SimulatedFile content, string action)
    {
        var now = Find(file)?.Size ?? Bytes.Zero;
        if (content.Size > now && Free < content.Size - now)
            throw new FaultException(new DatastoreFull(Path, action));
        files[file] = content;
    }

    public void Delete(string file) => files.Remove(file);

    /// <summary>The disks that are overlays of a file.</summary>
    public IEnumerable<string> OverlaysOf(string file) => files.Where(f => f.Value is DiskFile { Backing: { } b } && b == file).Select(f => f.Key);

    public LockRecord ReadLock(string name) => locks.GetValueOrDefault(name, LockRecord.None);

    /// <summary>Publishes a record as <c>link(2)</c> does: false when the epoch is taken.</summary>
    public bool TryPublish(string name, LockRecord record)
    {
        if (ReadLock(name).Epoch >= record.Epoch)
            return false;
        locks[name] = record;
        Locked?.Invoke(name, record);
        return true;
    }

    public void RemoveLock(string name) => locks.Remove(name);
}
