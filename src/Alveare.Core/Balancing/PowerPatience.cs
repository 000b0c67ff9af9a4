using Alveare.Core.Store;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Planning.Power;

namespace Alveare.Core.Balancing;

/// <summary>For how long each cluster could have had hosts asleep, or has needed one more, without a break; it survives the engine, but for the time in which
/// none ran.</summary>
/// <remarks>Times are of the monotonic clock, so a clock that is set changes nothing. What is stored is how long it was by then, minute by minute until it is
/// enough.</remarks>
internal sealed class PowerPatience(IStore store, TimeProvider clock)
{
    private static readonly TimeSpan Grain = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, Dictionary<PowerAction, Span>> _had = [];

    /// <summary>Reads what is stored. Call once.</summary>
    public void Load()
    {
        foreach (var stored in store.Load(StoreKind.PowerPatience))
            _had[EntityId.Parse(stored.Key)] = ModelJson.Read<Dictionary<PowerAction, TimeSpan>>(stored.Json).ToDictionary(h => h.Key, h => new Span(clock.TimestampBefore(h.Value), h.Value));
    }

    /// <summary>Whether it is so for long enough.</summary>
    public bool IsEnough(EntityId cluster, PowerAction action, TimeSpan enough)
    {
        lock (_gate)
            return Of(cluster).TryGetValue(action, out var had) && clock.GetElapsedTime(had.Since) >= enough;
    }

    /// <summary>Takes in that it is so now, or is not; what was so already goes on.</summary>
    public void See(EntityId cluster, PowerAction action, bool isSo, TimeSpan enough)
    {
        lock (_gate)
        {
            var spans = Of(cluster);
            if (!isSo)
            {
                if (spans.Remove(action))
                    Keep(cluster);
                return;
            }

            var had = spans.TryGetValue(action, out var known) ? known : new Span(clock.GetTimestamp(), TimeSpan.Zero);
            var elapsed = clock.GetElapsedTime(had.Since);
            var kept = elapsed < enough ? elapsed : enough;
            var isWorthKeeping = kept - had.Kept >= Grain || (kept == enough && had.Kept < enough);
            spans[action] = isWorthKeeping ? had with { Kept = kept } : had;
            if (isWorthKeeping)
                Keep(cluster);
        }
    }

    /// <summary>Takes it for so long that it is enough.</summary>
    public void Fill(EntityId cluster, PowerAction action, TimeSpan enough)
    {
        lock (_gate)
        {
            Of(cluster)[action] = new Span(clock.TimestampBefore(enough), enough);
            Keep(cluster);
        }
    }

    /// <summary>A cluster that is gone has none.</summary>
    public void Forget(EntityId cluster)
    {
        lock (_gate)
        {
            if (_had.Remove(cluster))
                store.CommitUnwatched([new StoreWrite(StoreKind.PowerPatience, cluster.ToString(), null)]);
        }
    }

    private Dictionary<PowerAction, Span> Of(EntityId cluster)
    {
        if (!_had.TryGetValue(cluster, out var spans))
            _had[cluster] = spans = [];
        return spans;
    }

    private void Keep(EntityId cluster)
    {
        var kept = _had[cluster].ToDictionary(h => h.Key, h => h.Value.Kept);
        store.CommitUnwatched([new StoreWrite(StoreKind.PowerPatience, cluster.ToString(), kept.Count == 0 ? null : ModelJson.Write(kept))]);
    }

    /// <param name="Kept">How long it was when it was stored last.</param>
    private readonly record struct Span(long Since, TimeSpan Kept);
}
