using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Planning.Placement;

namespace Alveare.Planning.Migration;

/// <summary>Chooses the target of a live migration when nobody names one: of one machine, or of a group that moves as one.</summary>
public static class MigrationPlacer
{
    /// <summary>Among the hosts that pass every check of <see cref="MigrationPreflight"/> for all machines, the one that <see cref="Placer"/> prefers.</summary>
    /// <param name="group">Machines of one host; whatever their target says, the others are asked one by one.</param>
    /// <param name="others">Hosts to choose from; the source is never chosen.</param>
    public static PlacementAnswer Choose(ImmutableArray<MigrationCandidate> group, IEnumerable<HostRoom> others)
    {
        var asked = others
            .Where(h => h.Id != group[0].Source.Id)
            .OrderBy(h => h.Id)
            .Select(h => (Host: h, Faults: Check(group, h)))
            .ToImmutableArray();
        var answer = Placer.Choose(Needs(group), asked.Where(a => a.Faults.IsEmpty).Select(a => a.Host));
        return answer with
        {
            Refusals = [.. asked.Where(a => !a.Faults.IsEmpty).Select(a => new HostRefusal(a.Host.Id, a.Host.Name, Placer.Reason(a.Faults)))],
        };
    }

    /// <summary>Every reason against moving the machines to a host, all of them: each is asked about with the ones before it there already.</summary>
    public static ImmutableArray<Fault> Check(ImmutableArray<MigrationCandidate> group, HostRoom target)
    {
        var faults = ImmutableArray.CreateBuilder<Fault>();
        foreach (var candidate in group)
        {
            faults.AddRange(MigrationPreflight.Check(candidate with { Target = target }));
            // Rules and resource pools are asked once, for the group.
            target = target.With(MigrationPreflight.Needs(candidate)) with { BrokenRules = [], PoolShortages = [] };
        }

        return faults.DrainToImmutable();
    }

    // What each asks of the host besides room has been checked.
    private static MachineNeeds Needs(ImmutableArray<MigrationCandidate> group)
    {
        var needs = group.Select(MigrationPreflight.Needs).ToList();
        return needs[0] with
        {
            Memory = new Bytes(needs.Sum(n => n.Memory.Value)),
            CpuReservation = new Megahertz(needs.Sum(n => n.CpuReservation.Value)),
        };
    }
}
