using Alveare.Core.Waiting;
using Alveare.Model;

namespace Alveare.Core.Tasks;

/// <summary>A number of places per key, such as eight migrations per host: first come, first served among those whose places are all free.</summary>
/// <remarks>Who waits for a busy key does not hold up others that do not need it.</remarks>
/// <param name="placesOf">How many places a key has.</param>
public sealed class SlotBudget(Func<EntityId, int> placesOf)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, int> _used = [];
    private readonly LinkedList<Waiter> _waiting = new();

    /// <summary>A budget with the same number of places for every key.</summary>
    public SlotBudget(int perKey)
        : this(_ => perKey)
    {
    }

    /// <summary>A budget of migrations: so many at once on each host, of the machines of each datastore, and on the network of each cluster.</summary>
    public static SlotBudget OfMigrations(int perHost, int perDatastore, int perCluster) => new(key => key.Kind switch
    {
        EntityKind.Host => perHost,
        EntityKind.Datastore => perDatastore,
        _ => perCluster,
    });

    /// <summary>Takes one place of every key at once (so two takers never wait for each other); dispose the answer to give them back.</summary>
    public async Task<IDisposable> TakeAsync(IReadOnlyList<EntityId> keys, CancellationToken cancellation)
    {
        Waiter waiter;
        lock (_gate)
        {
            if (IsFree(keys))
            {
                Use(keys, 1);
                return new Taken(this, keys);
            }

            waiter = new Waiter(keys, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            _waiting.AddLast(waiter);
        }

        try
        {
            await waiter.Ready.Task.OrCancelledAsync(cancellation);
        }
        catch (OperationCanceledException)
        {
            lock (_gate)
            {
                if (!_waiting.Remove(waiter))
                    GiveBack(keys);
            }

            throw;
        }

        return new Taken(this, keys);
    }

    private bool IsFree(IReadOnlyList<EntityId> keys) => keys.All(k => _used.GetValueOrDefault(k) < placesOf(k));

    private void Use(IReadOnlyList<EntityId> keys, int count)
    {
        foreach (var key in keys)
        {
            if ((_used[key] = _used.GetValueOrDefault(key) + count) == 0)
                _used.Remove(key);
        }
    }

    private void GiveBack(IReadOnlyList<EntityId> keys)
    {
        Use(keys, -1);
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (IsFree(node.Value.Keys))
            {
                _waiting.Remove(node);
                Use(node.Value.Keys, 1);
                node.Value.Ready.SetResult();
            }

            node = next;
        }
    }

    private sealed record Waiter(IReadOnlyList<EntityId> Keys, TaskCompletionSource Ready);

    private sealed class Taken(SlotBudget budget, IReadOnlyList<EntityId> keys) : IDisposable
    {
        private bool _isBack;

        public void Dispose()
        {
            lock (budget._gate)
            {
                if (_isBack)
                    return;
                _isBack = true;
                budget.GiveBack(keys);
            }
        }
    }
}
