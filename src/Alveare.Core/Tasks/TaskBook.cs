using System.Globalization;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Tasks;

namespace Alveare.Core.Tasks;

/// <summary>The records of all tasks that are kept, by number: what is under way, and the newest of what has ended.</summary>
internal sealed class TaskBook(int kept)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, TaskEntry> _entries = [];
    private readonly Queue<long> _ended = new();
    private long _last;

    /// <summary>Reads the stored tasks; answers those that have not ended.</summary>
    public IReadOnlyList<TaskRecord> Load(IStore store)
    {
        foreach (var stored in store.Load(StoreKind.Task))
        {
            var record = ModelJson.Read<TaskRecord>(stored.Json);
            var number = NumberOf(record.Id);
            _entries[number] = new TaskEntry(record);
            if (record.HasEnded)
                _ended.Enqueue(number);
            _last = Math.Max(_last, number);
        }

        return [.. _entries.Values.Select(e => e.Record).Where(r => !r.HasEnded)];
    }

    /// <summary>An id that no task has had.</summary>
    public string NewId()
    {
        lock (_gate)
            return string.Create(CultureInfo.InvariantCulture, $"task-{++_last}");
    }

    /// <summary>From now on the task is seen.</summary>
    public void Add(TaskEntry entry)
    {
        lock (_gate)
            _entries[NumberOf(entry.Record.Id)] = entry;
    }

    /// <summary>Throws a <see cref="NotFound"/> fault when there is no task of this id (any more).</summary>
    public TaskEntry Get(string id) => Find(id) ?? throw new FaultException(new NotFound("task", id));

    public TaskEntry? Find(string id)
    {
        lock (_gate)
            return _entries.GetValueOrDefault(NumberOf(id));
    }

    /// <summary>Newest first.</summary>
    public IReadOnlyList<TaskRecord> List()
    {
        lock (_gate)
            return [.. _entries.Values.Reverse().Select(e => e.Record)];
    }

    /// <summary>Changes the record of a task whose outcome is not known yet; null when that changed nothing.</summary>
    public TaskRecord? Update(TaskEntry entry, Func<TaskRecord, TaskRecord> change)
    {
        lock (_gate)
        {
            if (entry.IsEnding)
                return null;
            var updated = change(entry.Record);
            if (updated == entry.Record)
                return null;
            return entry.Record = updated with { Version = updated.Version + 1 };
        }
    }

    /// <summary>From now on no report changes the task; answers the write that drops the oldest ended one, if there are too many now.</summary>
    public IReadOnlyList<StoreWrite> BeginEnd(TaskEntry entry)
    {
        lock (_gate)
        {
            entry.IsEnding = true;
            _ended.Enqueue(NumberOf(entry.Record.Id));
            var dropped = new List<StoreWrite>();
            while (_ended.Count > kept)
            {
                if (_entries.Remove(_ended.Dequeue(), out var oldest))
                    dropped.Add(Write(oldest.Record) with { Json = null });
            }

            return dropped;
        }
    }

    /// <summary>The task counts as ended.</summary>
    public void End(TaskEntry entry, TaskRecord ended)
    {
        lock (_gate)
            entry.Record = ended;
    }

    public static StoreWrite Write(TaskRecord record) =>
        new(StoreKind.Task, NumberOf(record.Id).ToString("D12", CultureInfo.InvariantCulture), ModelJson.Write(record));

    private static long NumberOf(string id) =>
        id.StartsWith("task-", StringComparison.Ordinal) && long.TryParse(id.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;
}

/// <summary>One task: its record as of now, and what its handler holds.</summary>
internal sealed class TaskEntry
{
    public TaskEntry(TaskRecord record)
    {
        Record = record;
        if (record.HasEnded)
            Ended.SetResult();
    }

    public TaskRecord Record { get; set; }

    /// <summary>The outcome is known and being stored: no report changes the record any more.</summary>
    public bool IsEnding { get; set; }

    /// <summary>The record of its end when that is on disk already; see <see cref="TaskContext.ConcludeAsync"/>.</summary>
    public TaskRecord? Concluded { get; set; }

    public TaskContext? Context { get; set; }

    public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
