using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Inventory;
using Alveare.Model.Tasks;

namespace Alveare.Core.Changes;

/// <summary>One change that watchers are told of, in one total order.</summary>
public abstract record FeedItem
{
    /// <summary>Rises by one; a watcher resumes after the last it has seen.</summary>
    public long Sequence { get; init; }
}

public sealed record EntityPut(Entity Entity) : FeedItem;

public sealed record EntityRemoved(EntityId Id, string Name) : FeedItem;

public sealed record TaskChanged(TaskRecord Task) : FeedItem;

public sealed record EventAdded(EventRecord Event) : FeedItem;

/// <summary>Everything that changes in the engine, as one bounded sequence that any number of watchers read at their own pace.</summary>
public sealed class Feed(int capacity = 20_000)
{
    private readonly Lock _gate = new();

    // The newest ones, each at its number modulo the length.
    private readonly FeedItem[] _items = new FeedItem[capacity];
    private TaskCompletionSource _changed = NewSignal();

    /// <summary>Names this run of the engine: numbers begin anew with each, so a watcher resumes only when the run is still the same.</summary>
    public string Run { get; init; } = "0";

    /// <summary>Sequence number of the newest item, 0 before the first.</summary>
    public long Last { get; private set; }

    public void Publish(IEnumerable<FeedItem> items)
    {
        TaskCompletionSource changed;
        lock (_gate)
        {
            foreach (var item in items)
            {
                Last++;
                _items[Last % capacity] = item with { Sequence = Last };
            }

            (changed, _changed) = (_changed, NewSignal());
        }

        changed.SetResult();
    }

    /// <summary>What came after <paramref name="sequence"/>, or null when that is too old to be known: read the whole state again.</summary>
    public IReadOnlyList<FeedItem>? Since(long sequence)
    {
        lock (_gate)
        {
            if (sequence == Last)
                return [];
            if (sequence < 0 || sequence > Last || Last - sequence > capacity)
                return null;
            var since = new FeedItem[Last - sequence];
            for (var number = sequence + 1; number <= Last; number++)
                since[number - sequence - 1] = _items[number % capacity];
            return since;
        }
    }

    /// <summary>Ends when there is something after <paramref name="sequence"/>.</summary>
    public Task WaitAsync(long sequence, CancellationToken cancellation)
    {
        lock (_gate)
            return sequence < Last ? Task.CompletedTask : _changed.Task.OrCancelledAsync(cancellation);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
