using System.Collections.Immutable;
using Alveare.Model.Machines;
using Alveare.Planning.Migration;
using Alveare.Planning.Placement;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Migration;

public sealed class MigrationPlacerProperties
{
    private static readonly Gen<(MigrationCandidate Candidate, HostRoom[] Others)> Case =
        Gen.Select(PlanningGen.Needs, PlanningGen.Hosts.Where(h => h.Length > 0)).Select((needs, hosts) => (Candidate(needs, hosts[0]), hosts.ToArray()));

    [Fact]
    public void TheTargetPassesEveryCheckAndIsNeverTheSource() => Case.Sample(c =>
    {
        if (MigrationPlacer.Choose([c.Candidate], c.Others).Host is not { } chosen)
            return;
        Assert.NotEqual(c.Candidate.Source.Id, chosen);
        Assert.Empty(MigrationPreflight.Check(c.Candidate with { Target = c.Others.Single(h => h.Id == chosen) }));
    });

    [Fact]
    public void WhenThereIsNoTargetEveryOtherHostIsRefusedWithAReason() => Case.Sample(c =>
    {
        var answer = MigrationPlacer.Choose([c.Candidate], c.Others);
        if (answer.Host is not null)
            return;
        Assert.Equal(c.Others.Select(h => h.Id).Where(h => h != c.Candidate.Source.Id).Order(), answer.Refusals.Select(r => r.Host));
        Assert.All(answer.Refusals, r => Assert.NotEmpty(r.Reason));
    });

    [Fact]
    public void AGroupGoesOnlyWhereThereIsRoomForAllOfIt() => Gen.Select(Case, Gen.Int[2, 4]).Sample((c, count) =>
    {
        ImmutableArray<MigrationCandidate> group = [.. Enumerable.Repeat(c.Candidate, count)];
        if (MigrationPlacer.Choose(group, c.Others).Host is not { } chosen)
            return;
        var host = c.Others.Single(h => h.Id == chosen);
        Assert.Empty(MigrationPreflight.Check(c.Candidate with { Target = host }));
        Assert.True(host.MemoryPromised.Value + (count * c.Candidate.Machine.Memory.Value) <= Math.Max(host.MemoryForGuests.Value, host.MemoryPromised.Value));
    });

    private static MigrationCandidate Candidate(MachineNeeds needs, HostRoom source)
    {
        var machine = new MachineSpec
        {
            Uuid = Guid.Empty,
            Name = needs.Name,
            Cpus = 1,
            Memory = needs.Memory,
            Nics = [.. needs.PortGroups.Select(p => new NicSpec("52:54:00:00:00:01", p))],
        };
        return new MigrationCandidate(machine, new DatastorePath(PlanningGen.Shared, "web01/web01.vmx"), needs.DatastoreName, source, source);
    }
}
