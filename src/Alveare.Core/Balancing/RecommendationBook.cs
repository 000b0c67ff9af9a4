using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;

namespace Alveare.Core.Balancing;

/// <summary>The recommendations of each cluster's last round. They live as long as the engine: the next round makes them anew.</summary>
internal sealed class RecommendationBook(TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, IReadOnlyList<Recommendation>> _all = [];
    private long _last;

    public IReadOnlyList<Recommendation> Of(EntityId cluster)
    {
        lock (_gate)
            return _all.GetValueOrDefault(cluster, []);
    }

    /// <summary>Puts these in place of the cluster's earlier ones; what was recommended before keeps its id and its time. Answers those that are new.</summary>
    /// <param name="drafts">Without id and time.</param>
    public IReadOnlyList<Recommendation> Replace(EntityId cluster, IEnumerable<Recommendation> drafts)
    {
        lock (_gate)
        {
            var before = _all.GetValueOrDefault(cluster, []);
            _all[cluster] = [.. drafts.Select(d => Made(d, before.FirstOrDefault(r => IsSame(r, d))))];
            return [.. _all[cluster].Where(r => before.All(b => b.Id != r.Id))];
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
            _all[cluster] = [.. held.Except(taken)];
            return taken;
        }
    }

    private static bool IsSame(Recommendation one, Recommendation other) =>
        (one.Kind, one.Vm, one.From, one.To) == (other.Kind, other.Vm, other.From, other.To);

    private Recommendation Made(Recommendation draft, Recommendation? before) => draft with
    {
        Id = before?.Id ?? $"rec-{++_last}", MadeAt = before?.MadeAt ?? clock.GetUtcNow(),
    };
}
