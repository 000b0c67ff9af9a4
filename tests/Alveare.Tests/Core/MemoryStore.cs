using Alveare.Core.Store;
using Alveare.Model.Faults;

namespace Alveare.Tests.Core;

/// <summary>A store in memory that can be told to fail, as a full disk does.</summary>
internal sealed class MemoryStore : IStore
{
    private readonly SortedDictionary<(string Kind, string Key), string> _records = [];
    private readonly Queue<Commit> _begun = [];
    private Task _held = Task.CompletedTask;

    public bool IsFull { get; set; }

    /// <summary>The next commits that fail.</summary>
    public int Failures { get; set; }

    /// <summary>Commits begun from now on wait until this is released, so that a test can begin several before the first one ends. A test that fails releases it by
    /// disposing of it: whoever it tests may wait for its commits before it ends.</summary>
    public HeldCommits Hold()
    {
        var hold = new HeldCommits();
        _held = hold.Released;
        return hold;
    }

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
        var commit = new Commit(writes, fails: IsFull || Failures-- > 0);
        lock (_records)
            _begun.Enqueue(commit);
        var held = _held;
        await Task.Yield();
        await held;
        lock (_records)
        {
            // Those begun before it come first, as in the real store, whichever thread is faster.
            while (_begun.Contains(commit))
                Write(_begun.Dequeue());
        }

        if (commit.Fails)
            throw new FaultException(new HostOperationFailed("Writing to the store", "the disk is full"));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Write(Commit commit)
    {
        foreach (var write in commit.Fails ? [] : commit.Writes)
        {
            if (write.Json is null)
                _records.Remove((write.Kind, write.Key));
            else
                _records[(write.Kind, write.Key)] = write.Json;
        }
    }

    private sealed class Commit(IReadOnlyList<StoreWrite> writes, bool fails)
    {
        public IReadOnlyList<StoreWrite> Writes => writes;

        public bool Fails => fails;
    }
}

/// <summary>Commits of a <see cref="MemoryStore"/> that wait.</summary>
internal sealed class HeldCommits : IDisposable
{
    private readonly TaskCompletionSource _released = new();

    public Task Released => _released.Task;

    public void Release() => _released.TrySetResult();

    public void Dispose() => Release();
}
