using System.Globalization;
using Alveare.Core.Changes;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Events;

namespace Alveare.Core.Events;

/// <summary>What happened, in order, kept in the store: the newest events, and beside them the audit, which no number of others pushes out.</summary>
public sealed class EventLog(IStore store, Feed feed, TimeProvider clock)
{
    /// <summary>How many events are kept, those of the audit not counted.</summary>
    public const int Kept = 10_000;

    /// <summary>How many events of the audit are kept.</summary>
    public const int KeptOfAudit = 10_000;

    private readonly Lock _gate = new();
    private readonly Queue<EventRecord> _events = new();
    private readonly AuditTrail _audit = new(KeptOfAudit, clock);
    private long _last;

    /// <summary>Reads what the store holds. Call once.</summary>
    public void Load()
    {
        var dropped = new List<StoreWrite>();
        foreach (var stored in store.Load(StoreKind.Event).Select(r => ModelJson.Read<EventRecord>(r.Json)))
        {
            dropped.AddRange(Keep(stored));
            _last = Math.Max(_last, stored.Id);
        }

        store.CommitUnwatched(dropped);
    }

    /// <summary>Adds an event. Nobody waits for the disk: what must not be lost is in the inventory and the tasks.</summary>
    public EventRecord Add(EventSeverity severity, string kind, string message, EntityId? subject = null, string? user = null)
    {
        // All of it at once, so that the store and whoever watches get the events in their order.
        lock (_gate)
        {
            var added = new EventRecord(++_last, clock.GetUtcNow(), severity, kind, subject, user, message);
            store.CommitUnwatched([new StoreWrite(StoreKind.Event, Key(added.Id), ModelJson.Write(added)), .. Keep(added)]);
            feed.Publish([new EventAdded(added)]);
            return added;
        }
    }

    /// <summary>Audits what somebody may try again and again, such as what is refused: of many within a minute some are told of, with their number.</summary>
    public void AddAttempt(string kind, string message, EntityId? subject = null, string? user = null)
    {
        lock (_gate)
        {
            if (_audit.CountAttempt(kind, user) is { } beside)
                Add(EventSeverity.Audit, kind, message + beside, subject, user);
        }
    }

    /// <summary>Events with an id above <paramref name="after"/>, oldest first.</summary>
    public IReadOnlyList<EventRecord> Since(long after)
    {
        lock (_gate)
            return [.. _events.Concat(_audit.All).Where(e => e.Id > after).OrderBy(e => e.Id)];
    }

    // Answers how the store drops what had to go for it.
    private IReadOnlyList<StoreWrite> Keep(EventRecord added)
    {
        EventRecord? dropped = null;
        if (added.Severity == EventSeverity.Audit)
        {
            dropped = _audit.Add(added);
        }
        else
        {
            _events.Enqueue(added);
            if (_events.Count > Kept)
                dropped = _events.Dequeue();
        }

        return dropped is null ? [] : [new StoreWrite(StoreKind.Event, Key(dropped.Id), null)];
    }

    private static string Key(long id) => id.ToString("D12", CultureInfo.InvariantCulture);
}
