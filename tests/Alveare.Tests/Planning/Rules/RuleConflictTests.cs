using Alveare.Planning.Rules;
using Alveare.Planning.Snapshots;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Rules;

public sealed class RuleConflictTests
{
    private static readonly string[] Hosts = ["h0", "h1"];

    [Fact]
    public void TogetherAndApartOverAChainIsFound() => Assert.Contains(
        "a and c must be together by rule r0 and rule r1",
        Assert.Single(Of(new("r0", RuleKind.Together, ["a", "b"], []), new("r1", RuleKind.Together, ["b", "c"], []), new("r2", RuleKind.Apart, ["a", "c"], []))),
        StringComparison.Ordinal);

    [Fact]
    public void ARuleWhoseHostsAreGoneIsFound() => Assert.Contains(
        "none of its hosts exists", Assert.Single(Of(new SnapshotRule("r0", RuleKind.OnHosts, ["a"], ["h8", "h9"]))), StringComparison.Ordinal);

    [Fact]
    public void ARuleThatForbidsAllHostsIsFound() => Assert.Contains(
        "rule r0: a not on h0, h1: there are no other hosts",
        Assert.Single(Of(new SnapshotRule("r0", RuleKind.OnHosts, ["a"], []) { Off = ["h0", "h1"] })),
        StringComparison.Ordinal);

    [Fact]
    public void MoreMachinesApartThanHostsIsFound() => Assert.Contains(
        "3 machines cannot be apart on 2 hosts", Assert.Single(Of(new SnapshotRule("r0", RuleKind.Apart, ["a", "b", "c"], []))), StringComparison.Ordinal);

    [Fact]
    public void MachinesBoundToDifferentHostsCannotBeTogether() => Assert.Contains(
        "no host is allowed by all",
        Assert.Single(Of(new("r0", RuleKind.Together, ["a", "b"], []), new("r1", RuleKind.OnHosts, ["a"], ["h0"]), new("r2", RuleKind.OnHosts, ["b"], ["h1"]))),
        StringComparison.Ordinal);

    [Fact]
    public void MachinesApartThatAreBoundToFewerHostsAreFound() => Assert.Equal(
        ["rule r0: a, b apart: a and b cannot be apart on h0, where they must be by rule r1 and rule r2"],
        Of(new("r0", RuleKind.Apart, ["a", "b"], []), new("r1", RuleKind.OnHosts, ["a"], ["h0"]), new("r2", RuleKind.OnHosts, ["b", "c"], ["h0"])));

    [Fact]
    public void MachinesApartAreRefusedJustWhenNoWayToPlaceThemIsLeft() =>
        Gen.Int[1, 31].Array[0, 5].Sample(allowed =>
        {
            // Each machine may be on the hosts that are bits of its number.
            string[] hosts = [.. Enumerable.Range(0, 5).Select(h => $"h{h}")];
            string[] vms = [.. allowed.Select((_, v) => $"vm{v}")];
            var conflicts = RuleConflicts.Of(
                [new("apart", RuleKind.Apart, [.. vms], []), .. allowed.Select((a, v) => new SnapshotRule($"r{v}", RuleKind.OnHosts, [vms[v]], [.. hosts.Where((_, h) => (a & 1 << h) != 0)]))],
                hosts);
            Assert.Equal(!CanBePlaced(0, 0), conflicts.Count == 1);

            bool CanBePlaced(int vm, int taken) => vm == allowed.Length
                || Enumerable.Range(0, 5).Any(h => (allowed[vm] & ~taken & 1 << h) != 0 && CanBePlaced(vm + 1, taken | 1 << h));
        });

    [Fact]
    public void RulesThatCanAllBeKeptAreNoConflict() => Assert.Empty(
        Of(new("r0", RuleKind.Together, ["a", "b"], []), new("r1", RuleKind.Apart, ["a", "c"], []), new("r2", RuleKind.OnHosts, ["a"], ["h0"]), new("r3", RuleKind.OnHosts, ["b"], ["h0", "h1"])));

    private static IReadOnlyList<string> Of(params SnapshotRule[] rules) => RuleConflicts.Of(rules, Hosts);
}
