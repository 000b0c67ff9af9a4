using System.Collections.Immutable;
using Alveare.Model.Faults;
using Alveare.Planning.Placement;

namespace Alveare.Planning.Migration;

/// <summary>Chooses the target of a live migration when nobody names one.</summary>
public static class MigrationPlacer
{
    /// <summary>Among the hosts that pass every check of <see cref="MigrationPreflight"/>, the one that <see cref="Placer"/> prefers.</summary>
    /// <param name="candidate">Whatever its target says, the others are asked one by one.</param>
    /// <param name="others">Hosts to choose from; the source is never chosen.</param>
    public static PlacementAnswer Choose(MigrationCandidate candidate, IEnumerable<HostRoom> others)
    {
        var asked = others
            .Where(h => h.Id != candidate.Source.Id)
            .OrderBy(h => h.Id)
            .Select(h => (Host: h, Faults: MigrationPreflight.Check(candidate with { Target = h })))
            .ToImmutableArray();
        var answer = Placer.Choose(MigrationPreflight.Needs(candidate), asked.Where(a => a.Faults.IsEmpty).Select(a => a.Host));
        return answer with
        {
            Refusals = [.. asked.Where(a => !a.Faults.IsEmpty).Select(a => new HostRefusal(a.Host.Id, a.Host.Name, Placer.Reason(a.Faults)))],
        };
    }
}
