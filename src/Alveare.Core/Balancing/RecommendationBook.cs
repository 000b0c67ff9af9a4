using System.Collections.Immutable;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;

namespace Alveare.Core.Balancing;

/// <summary>The recommendations of each cluster's last round; they survive the engine.</summary>
internal sealed class RecommendationBook(IStore store, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, IReadOnlyList<Recommendation>> _all = [];
    private long _last;

    /// <summary>Reads what is stored. Call once.</summary>
    public void Load()
    {
        foreach (var stored in store.Load(StoreKind.Recommendations))
        {
            var page = ModelJson.Read<StoredPage>(stored.Json);
            _all[EntityId.Parse(stored.Key)] = page.Made;
            _last = Math.Max(_last, page.Last);
        }
    }

    public IReadOnlyList<Recommendation> Of(EntityId cluster)
    {
        lock (_gate)
            return _all.GetValueOrDefault(cluster, []);
    }

    /// <summary>Puts these in place of the cluster's earlier ones; what was recommended before keeps its id and its time. Answers those that are new.</summary>
    /// <param name="drafts">Without id and time.</param>
    /// <param name="waits">Whether an earlier one waits on though it is none of the drafts.</param>
    public IReadOnlyList<Recommendation> Replace(EntityId cluster, IEnumerable<Recommendation> drafts, Func<Recommendation, bool> waits)
    {
        lock (_gate)
        {
            var before = _all.GetValueOrDefault(cluster, []);
            List<Recommendation> made = [.. drafts.Select(d => Made(d, before.FirstOrDefault(r => IsSame(r, d))))];
            Put(cluster, [.. made, .. before.Where(r => !made.Exists(m => IsSame(m, r)) && waits(r))]);
            return [.. made.Where(r => before.All(b => b.Id != r.Id))];
        }
    }

    /// <summary>Takes recommendations out, to be applied; in the order in which they are to be made.</summary>
    /// <param name="ids">Null for all.</param>
    /// <exception cref="FaultException"><see cref="NotFound"/>: one of the ids is none of the cluster's; then none is taken.</exception>
    public IReadOnlyList<Recommendation> Take(EntityId cluster, IReadOnlyCollection<string>? ids)
    {
        lock (_gate)
        {
            var held = _all.GetValueOrDefault(cluster, []);
            if (ids?.FirstOrDefault(id => held.All(r => r.Id != id)) is { } unknown)
                throw new FaultException(new NotFound("recommendation", unknown));
            var taken = held.Where(r => ids is null || ids.Contains(r.Id)).ToList();
            Put(cluster, [.. held.Except(taken)]);
            return taken;
        }
    }

    /// <summary>Recommends again, before all others, what was taken and not done, in place of what a round has found to be the same meanwhile.</summary>
    public void PutBack(EntityId cluster, IReadOnlyList<Recommendation> taken)
    {
        lock (_gate)
            Put(cluster, [.. taken, .. _all.GetValueOrDefault(cluster, []).Where(r => !taken.Any(t => IsSame(t, r)))]);
    }

    /// <summary>A cluster that is gone has none.</summary>
    public void Forget(EntityId cluster)
    {
        lock (_gate)
        {
            if (_all.Remove(cluster))
                store.CommitUnwatched([new StoreWrite(StoreKind.Recommendations, cluster.ToString(), null)]);
        }
    }

    private void Put(EntityId cluster, ImmutableArray<Recommendation> made)
    {
        if (made.SequenceEqual(_all.GetValueOrDefault(cluster, [])))
            return;
        _all[cluster] = made;
        store.CommitUnwatched([new StoreWrite(StoreKind.Recommendations, cluster.ToString(), ModelJson.Write(new StoredPage(_last, made)))]);
    }

    private static bool IsSame(Recommendation one, Recommendation other) =>
        (one.Kind, one.Vm, one.From, one.To) == (other.Kind, other.Vm, other.From, other.To);

    private Recommendation Made(Recommendation draft, Recommendation? before) => draft with
    {
        Id = before?.Id ?? $"rec-{++_last}", MadeAt = before?.MadeAt ?? clock.GetUtcNow(),
    };

    /// <param name="Last">The highest number that was given by then.</param>
    private sealed record StoredPage(long Last, ImmutableArray<Recommendation> Made);
}
