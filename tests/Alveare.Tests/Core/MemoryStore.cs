using Alveare.Core.Store;
using Alveare.Model.Faults;

namespace Alveare.Tests.Core;

/// <summary>A store in memory that can be told to fail, as a full disk does.</summary>
internal sealed class MemoryStore : IStore
{
    private readonly SortedDictionary<(string Kind, string Key), string> _records = [];

    public bool IsFull { get; set; }

    /// <summary>The next commits that fail.</summary>
    public int Failures { get; set; }

    /// <summary>Commits begun from now on wait for this, so that a test can begin several before the first one ends.</summary>
    public Task Hold { get; set; } = Task.CompletedTask;

    /// <summary>What is on disk at this moment, as an engine finds it that is started after another one was killed.</summary>
    public MemoryStore Copy()
    {
        var copy = new MemoryStore();
        lock (_records)
        {
            foreach (var (key, json) in _records)
                copy._records.Add(key, json);
        }

        return copy;
    }

    public IReadOnlyList<StoredRecord> Load(string kind)
    {
        lock (_records)
            return [.. _records.Where(r => r.Key.Kind == kind).Select(r => new StoredRecord(r.Key.Key, r.Value))];
    }

    public async Task CommitAsync(IReadOnlyList<StoreWrite> writes)
    {
        var fails = IsFull || Failures-- > 0;
        var hold = Hold;
        await Task.Yield();
        await hold;
        if (fails)
            throw new FaultException(new HostOperationFailed("Writing to the store", "the disk is full"));
        lock (_records)
        {
            foreach (var write in writes)
            {
                if (write.Json is null)
                    _records.Remove((write.Kind, write.Key));
                else
                    _records[(write.Kind, write.Key)] = write.Json;
            }
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
