using Alveare.Core.Store;
using Alveare.Model.Faults;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Stores;

/// <summary>A store in memory that outlives the engines over it and keeps exactly what was committed.</summary>
public sealed class SimulatedStore(World world) : IStore
{
    private readonly SortedDictionary<string, SortedDictionary<string, string>> durable = new(StringComparer.Ordinal);
    private readonly List<Commit> pending = [];
    private bool isWriting;

    public IReadOnlyList<StoredRecord> Load(string kind) =>
        durable.TryGetValue(kind, out var records) ? [.. records.Select(r => new StoredRecord(r.Key, r.Value))] : [];

    /// <summary>The disk under it is full: nothing can be written.</summary>
    public bool IsFull { get; set; }

    public Task CommitAsync(IReadOnlyList<StoreWrite> writes)
    {
        var commit = new Commit(writes, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        pending.Add(commit);
        if (world.Defect == Defect.StoreForgets)
            commit.Done.SetResult();
        if (!isWriting)
            world.Nature.Enter(() => world.Begin("Writing to the store", WriteAsync));
        return commit.Done.Task;
    }

    /// <summary>Puts records there as an earlier run would have left them.</summary>
    public void Seed(IEnumerable<StoreWrite> writes) => Apply([.. writes]);

    /// <summary>The engine is gone in the middle of whatever it wrote: the dice say how many of the commits under way were durable.</summary>
    public void Crash()
    {
        var kept = world.Defect == Defect.StoreForgets ? 0 : world.Dice.Next(pending.Count + 1);
        foreach (var commit in pending.Take(kept))
            Apply(commit.Writes);
        pending.Clear();
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async Task WriteAsync()
    {
        isWriting = true;
        while (pending.Count > 0)
        {
            await world.PauseAsync(2);
            Commit[] group = [.. pending];
            pending.Clear();
            foreach (var commit in group)
            {
                if (IsFull)
                {
                    commit.Done.TrySetException(new FaultException(new HostOperationFailed("Writing to the store", "no space left on device")));
                    continue;
                }

                Apply(commit.Writes);
                commit.Done.TrySetResult();
            }
        }

        isWriting = false;
    }

    private void Apply(IReadOnlyList<StoreWrite> writes)
    {
        foreach (var write in writes)
        {
            if (!durable.TryGetValue(write.Kind, out var records))
                durable[write.Kind] = records = new SortedDictionary<string, string>(StringComparer.Ordinal);
            if (write.Json is null)
                records.Remove(write.Key);
            else
                records[write.Key] = write.Json;
        }
    }

    private sealed record Commit(IReadOnlyList<StoreWrite> Writes, TaskCompletionSource Done);
}
