using Alveare.Core.Changes;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Inventory;

namespace Alveare.Core.Inventory;

/// <summary>What one change does to the inventory.</summary>
/// <param name="IsObserved">The change only repeats what a host says and will say again: it need not survive the engine, so nobody waits for the disk.</param>
public sealed record InventoryEdit(IReadOnlyList<Entity> Put, IReadOnlyList<EntityId> Removed, bool IsObserved = false)
{
    public static readonly InventoryEdit Nothing = new([], []);

    public static InventoryEdit Of(params Entity[] put) => new(put, []);

    public static InventoryEdit Observed(params Entity[] put) => new(put, [], IsObserved: true);

    public static InventoryEdit Remove(params EntityId[] removed) => new([], removed);

    public bool IsEmpty => Put.Count == 0 && Removed.Count == 0;
}

/// <summary>The one writer of the inventory: edits are functions of the newest snapshot, applied one after the other, durable before visible.</summary>
public sealed class InventoryWriter(IStore store, Feed feed)
{
    private readonly Lock _gate = new();
    private InventorySnapshot _head = InventorySnapshot.Empty;
    private Task _tail = Task.CompletedTask;
    private int _generation;

    /// <summary>The newest snapshot. Everything in it (but observed state) is on disk.</summary>
    public InventorySnapshot Current { get; private set; } = InventorySnapshot.Empty;

    /// <summary>Reads what the store holds. Call once, before anything else.</summary>
    public void Load()
    {
        var entities = store.Load(StoreKind.Entity).Select(r => ModelJson.Read<Entity>(r.Json)).ToList();
        Current = _head = entities.Count == 0 ? InventorySnapshot.Empty : InventorySnapshot.Empty.With(entities, []);
    }

    /// <summary>Applies one edit and answers the snapshot that has it. The function may throw a fault: then nothing changes.
    /// It sees edits before it that are not yet on disk; should those fail, this one fails with them.</summary>
    /// <param name="companions">Stored with the edit, also with one that changes nothing.</param>
    public Task<InventorySnapshot> ApplyAsync(Func<InventorySnapshot, InventoryEdit> edit, params IReadOnlyList<StoreCompanion> companions)
    {
        lock (_gate)
        {
            var before = _head;
            var change = edit(before);
            if (change.IsEmpty && companions.Count == 0)
                return AfterAsync(_tail, before);
            var next = change.IsEmpty ? before : before.With(change.Put, change.Removed);
            _head = next;
            var writes = Writes(change, companions);
            var commit = writes.Count == 0 ? Task.CompletedTask : store.CommitAsync(writes);
            var published = PublishAsync(_tail, commit, before, next, change, companions, _generation);
            _tail = published;
            return AfterAsync(published, next);
        }
    }

    /// <summary>Decides something on the newest snapshot, in the order of the edits: those before it count though they are not on disk yet, and those after it
    /// find what it leaves behind.</summary>
    public T Decide<T>(Func<InventorySnapshot, T> decide)
    {
        lock (_gate)
            return decide(_head);
    }

    /// <summary>Completes when every edit so far is on disk and visible; fails with one that cannot be, so that what was decided by it is void.</summary>
    public Task SettleAsync()
    {
        lock (_gate)
            return _tail;
    }

    private static async Task<InventorySnapshot> AfterAsync(Task task, InventorySnapshot snapshot)
    {
        await task;
        return snapshot;
    }

    private async Task PublishAsync(Task previous, Task commit, InventorySnapshot before, InventorySnapshot next, InventoryEdit change, IReadOnlyList<StoreCompanion> companions, int generation)
    {
        try
        {
            await previous;
            await commit;
        }
        catch
        {
            // What was built on a change that never reached the disk is void: start again from the last good snapshot.
            lock (_gate)
            {
                if (generation == _generation)
                    (_head, _tail, _generation) = (Current, Task.CompletedTask, generation + 1);
                TakeBack(commit, change, companions);
            }

            throw;
        }

        lock (_gate)
        {
            Current = next;
            feed.Publish(
            [
                .. change.Put.Select(e => new EntityPut(next.Find(e.Id)!)),
                .. change.Removed.Where(id => before.Find(id) is not null).Select(id => new EntityRemoved(id, before.Find(id)!.Name)),
            ]);
        }
    }

    // The commit of a void edit was already on its way and may succeed: what it wrote is put back to what is true now. Called under the
    // gate, so that no newer commit of the same objects can come before.
    private void TakeBack(Task commit, InventoryEdit change, IReadOnlyList<StoreCompanion> companions)
    {
        if (commit.IsFaulted)
            return;
        var written = change.IsObserved ? [] : change.Put.Select(e => e.Id).Concat(change.Removed).Distinct();
        var truth = written.Select(id => new StoreWrite(
            StoreKind.Entity, id.ToString(), _head.Find(id) is { } entity ? ModelJson.Write(entity) : null));
        store.CommitUnwatched([.. truth, .. companions.Select(c => c.Otherwise)]);
    }

    private static List<StoreWrite> Writes(InventoryEdit change, IReadOnlyList<StoreCompanion> companions)
    {
        var writes = new List<StoreWrite>();
        if (!change.IsObserved)
        {
            writes.AddRange(change.Removed.Select(id => new StoreWrite(StoreKind.Entity, id.ToString(), null)));
            writes.AddRange(change.Put.Select(e => new StoreWrite(StoreKind.Entity, e.Id.ToString(), ModelJson.Write(e))));
        }

        writes.AddRange(companions.Select(c => c.Write));
        return writes;
    }
}
