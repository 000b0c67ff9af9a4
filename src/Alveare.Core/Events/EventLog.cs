using System.Globalization;
using Alveare.Core.Changes;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Events;

namespace Alveare.Core.Events;

/// <summary>What happened, in order, kept in the store; the oldest are dropped beyond <see cref="Kept"/>.</summary>
public sealed class EventLog(IStore store, Feed feed, TimeProvider clock)
{
    /// <summary>How many events are kept.</summary>
    public const int Kept = 10_000;

    private readonly Lock _gate = new();
    private readonly Queue<EventRecord> _events = new();
    private long _last;

    /// <summary>Reads what the store holds. Call once.</summary>
    public void Load()
    {
        foreach (var record in store.Load(StoreKind.Event))
            _events.Enqueue(ModelJson.Read<EventRecord>(record.Json));
        _last = _events.Count == 0 ? 0 : _events.Max(e => e.Id);
    }

    /// <summary>Adds an event. Nobody waits for the disk: what must not be lost is in the inventory and the tasks.</summary>
    public EventRecord Add(EventSeverity severity, string kind, string message, EntityId? subject = null, string? user = null)
    {
        EventRecord added;
        var writes = new List<StoreWrite>();
        lock (_gate)
        {
            added = new EventRecord(++_last, clock.GetUtcNow(), severity, kind, subject, user, message);
            _events.Enqueue(added);
            writes.Add(new StoreWrite(StoreKind.Event, Key(added.Id), ModelJson.Write(added)));
            while (_events.Count > Kept)
                writes.Add(new StoreWrite(StoreKind.Event, Key(_events.Dequeue().Id), null));
        }

        store.CommitUnwatched(writes);
        feed.Publish([new EventAdded(added)]);
        return added;
    }

    /// <summary>Events with an id above <paramref name="after"/>, oldest first.</summary>
    public IReadOnlyList<EventRecord> Since(long after)
    {
        lock (_gate)
            return [.. _events.Where(e => e.Id > after)];
    }

    private static string Key(long id) => id.ToString("D12", CultureInfo.InvariantCulture);
}
