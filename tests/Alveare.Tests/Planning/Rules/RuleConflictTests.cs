using Alveare.Planning.Rules;
using Alveare.Planning.Snapshots;
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
    public void MoreMachinesApartThanHostsIsFound() => Assert.Contains(
        "3 machines cannot be apart on 2 hosts", Assert.Single(Of(new SnapshotRule("r0", RuleKind.Apart, ["a", "b", "c"], []))), StringComparison.Ordinal);

    [Fact]
    public void MachinesBoundToDifferentHostsCannotBeTogether() => Assert.Contains(
        "no host is allowed by all",
        Assert.Single(Of(new("r0", RuleKind.Together, ["a", "b"], []), new("r1", RuleKind.OnHosts, ["a"], ["h0"]), new("r2", RuleKind.OnHosts, ["b"], ["h1"]))),
        StringComparison.Ordinal);

    [Fact]
    public void RulesThatCanAllBeKeptAreNoConflict() => Assert.Empty(
        Of(new("r0", RuleKind.Together, ["a", "b"], []), new("r1", RuleKind.Apart, ["a", "c"], []), new("r2", RuleKind.OnHosts, ["a"], ["h0"]), new("r3", RuleKind.OnHosts, ["b"], ["h0", "h1"])));

    private static IReadOnlyList<string> Of(params SnapshotRule[] rules) => RuleConflicts.Of(rules, Hosts);
}
