using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Alveare.Model;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Machines;

/// <summary>What this host says of itself: one snapshot that changes, and the changes as a stream for each watcher.</summary>
/// <remarks>Snapshot and queues change under one lock, so a watcher's first snapshot and the changes after it fit without gap or
/// overlap. A watcher that falls behind by <see cref="MaxQueue"/> changes loses them and gets the whole state afresh. Events are in no
/// snapshot: those that nobody watched (a restarted agent finds machines that died) are kept for the next watcher, and so are those that a watcher leaves behind.
/// One that goes within <see cref="Trial"/> may have had a connection that never worked: what it was told counts as not heard. Rather twice than never.</remarks>
public sealed class HostState(HostFacts facts, TimeProvider time)
{
    /// <summary>Longer than anybody waits for a connection.</summary>
    public static readonly TimeSpan Trial = TimeSpan.FromSeconds(15);

    private const int MaxQueue = 512;

    private readonly Lock sync = new();
    private readonly List<Watcher> watchers = [];
    private readonly Queue<HostEventRaised> unheard = [];
    private HostFacts facts = facts;
    private ImmutableSortedDictionary<EntityId, HostMachine> machines = ImmutableSortedDictionary<EntityId, HostMachine>.Empty;
    private ImmutableArray<HostDatastore> datastores = [];
    private ImmutableArray<PortGroupSpec> portGroups = [];
    private long revision;

    /// <summary>The next revision of a machine; they rise over all machines.</summary>
    public long NextRevision() => Interlocked.Increment(ref revision);

    public HostSnapshot Current
    {
        get
        {
            lock (sync)
                return Snapshot();
        }
    }

    /// <summary>Takes a change into the snapshot and gives it to every watcher; of facts, see <see cref="ChangeFacts"/>.</summary>
    public void Publish(HostChange change)
    {
        lock (sync)
        {
            switch (change)
            {
                case MachineChanged changed:
                    machines = machines.SetItem(changed.Machine.Id, changed.Machine);
                    break;
                case MachineRemoved removed:
                    machines = machines.Remove(removed.Machine);
                    break;
                case DatastoresChanged changed:
                    datastores = changed.Datastores;
                    break;
                case HostEventRaised raised when watchers.Count == 0:
                    Keep(raised);
                    break;
            }

            Distribute(change);
        }
    }

    /// <summary>Changes what the host says of itself, beside whatever else changes it.</summary>
    public void ChangeFacts(Func<HostFacts, HostFacts> change)
    {
        lock (sync)
        {
            facts = change(facts);
            Distribute(new FactsChanged(facts));
        }
    }

    /// <summary>Takes new port groups into the snapshot; there is no change record of their own, so watchers get the whole state.</summary>
    public void SetPortGroups(ImmutableArray<PortGroupSpec> applied)
    {
        lock (sync)
        {
            portGroups = applied;
            Distribute(new HostObserved(Snapshot()));
        }
    }

    public async IAsyncEnumerable<HostChange> WatchAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        var watcher = new Watcher { Since = time.GetTimestamp() };
        lock (sync)
        {
            watcher.Queue.Enqueue(new HostObserved(Snapshot()));
            while (unheard.TryDequeue(out var raised))
                watcher.Queue.Enqueue(raised);
            watchers.Add(watcher);
        }

        try
        {
            while (true)
            {
                while (Next(watcher) is { } change)
                    yield return change;
                await watcher.Arrived.WaitAsync(cancellation);
            }
        }
        finally
        {
            lock (sync)
            {
                watchers.Remove(watcher);
                if (watchers.Count == 0)
                    KeepUnheard(watcher);
            }
        }
    }

    private void Keep(HostEventRaised raised)
    {
        unheard.Enqueue(raised);
        if (unheard.Count > MaxQueue / 2)
            unheard.Dequeue();
    }

    private bool IsOnTrial(Watcher watcher) => time.GetElapsedTime(watcher.Since) < Trial;

    private void KeepUnheard(Watcher watcher)
    {
        foreach (var raised in (IsOnTrial(watcher) ? watcher.Told : []).Concat(watcher.Queue.OfType<HostEventRaised>()))
            Keep(raised);
    }

    private HostChange? Next(Watcher watcher)
    {
        lock (sync)
        {
            if (watcher.FellBehind)
            {
                watcher.FellBehind = false;
                return new HostObserved(Snapshot());
            }

            if (!watcher.Queue.TryDequeue(out var change))
                return null;
            if (!IsOnTrial(watcher))
                watcher.Told.Clear();
            else if (change is HostEventRaised raised)
                watcher.Told.Add(raised);
            return change;
        }
    }

    private void Distribute(HostChange change)
    {
        foreach (var watcher in watchers)
        {
            if (watcher.FellBehind)
                continue;
            if (watcher.Queue.Count >= MaxQueue)
            {
                watcher.Queue.Clear();
                watcher.FellBehind = true;
            }
            else
            {
                watcher.Queue.Enqueue(change);
            }

            if (watcher.Arrived.CurrentCount == 0)
                watcher.Arrived.Release();
        }
    }

    private HostSnapshot Snapshot() => new(facts, [.. machines.Values], datastores, portGroups);

    private sealed class Watcher
    {
        public Queue<HostChange> Queue { get; } = new();

        public SemaphoreSlim Arrived { get; } = new(0);

        public bool FellBehind { get; set; }

        public long Since { get; init; }

        /// <summary>The events that it was told on trial.</summary>
        public List<HostEventRaised> Told { get; } = [];
    }
}
