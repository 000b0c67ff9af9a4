using System.Collections.Immutable;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>Rules that are mended only when machines which break none move out of the way.</summary>
public sealed class RuleDetourTests
{
    private static readonly SnapshotRule Apart = new("r", RuleKind.Apart, ["a", "b"], []);
    private static readonly SnapshotRule Together = new("r", RuleKind.Together, ["a", "b"], []);
    private static readonly SnapshotRule OnH2 = new("on", RuleKind.OnHosts, ["a"], ["h2"]);

    [Fact]
    public void AThirdMachineMakesRoom()
    {
        var plan = Plan([Apart], ("a", "h1", 4), ("b", "h1", 5), ("c", "h2", 7), ("d", "h3", 6), ("e", "h3", 2));
        Assert.Equal([("e", "h2", "a"), ("a", "h3", null)], Moves(plan));
        Assert.StartsWith("so that a can go to h3, rule r: a, b apart; ", plan.Moves[0].Reason, StringComparison.Ordinal);
        Assert.StartsWith("rule r: a, b apart; ", plan.Moves[1].Reason, StringComparison.Ordinal);
        Assert.Empty(plan.Broken);
    }

    [Fact]
    public void OfTwoThatCouldMakeRoomTheSmallerOneDoes() =>
        Assert.Equal([("c", "h1", "a"), ("a", "h2", null)], Moves(Plan([OnH2], ("a", "h1", 5), ("b", "h2", 5), ("c", "h2", 4), ("x", "h3", 9))));

    [Fact]
    public void TwoMakeRoomWhereOneIsNotEnough() =>
        Assert.Equal(3, Plan([OnH2], ("a", "h1", 5), ("b", "h2", 3), ("c", "h2", 3), ("d", "h2", 3)) is { Broken: [], Moves: var moves } ? moves.Length : 0);

    [Fact]
    public void AMachineThatTheRulesKeepApartLeavesFirst() =>
        Assert.Equal([("b", "h1", "a"), ("a", "h2", null)], Moves(Plan([OnH2, Apart], ("a", "h3", 1), ("b", "h2", 1), ("x", "h3", 5))));

    [Fact]
    public void TwoThatAreToBeTogetherMeetOnAThirdHost()
    {
        var plan = Plan([Together], ("a", "h1", 3), ("b", "h2", 3), ("x", "h1", 6), ("y", "h2", 6));
        Assert.Equal(["h3", "h3"], plan.Moves.Select(m => m.To));
        Assert.Empty(plan.Broken);
    }

    [Fact]
    public void WhoWouldBeLeftBehindJoinsTheOthersFirst()
    {
        var together = new SnapshotRule("t", RuleKind.Together, ["a", "b", "c"], []) { IsMust = false, Priority = 30 };
        var on = new SnapshotRule("on", RuleKind.OnHosts, ["a"], ["h3"]) { IsMust = false, Priority = 10 };
        var apart = new SnapshotRule("apart", RuleKind.Apart, ["a", "c"], []) { IsMust = false, Priority = 60 };
        Assert.Equal([("b", "h2", "a"), ("a", "h3", null)], Moves(Plan([together, on, apart], ("a", "h1", 1), ("b", "h1", 1), ("c", "h2", 1))));
    }

    [Fact]
    public void TwoThatFillTheirHostsChangePlacesOverAThird()
    {
        var plan = Plan([OnH2], [6, 6, 12], ("a", "h1", 6), ("b", "h2", 6), ("x", "h3", 6));
        Assert.Equal([("b", "h3", "a"), ("a", "h2", null)], Moves(plan));
        // The third is held by a rule of its own, so that it gives its place back.
        plan = Plan([OnH2, new("off", RuleKind.OnHosts, ["b"], ["h1", "h2"])], [6, 6, 12], ("a", "h1", 6), ("b", "h2", 6), ("x", "h3", 6));
        Assert.Equal([("a", "h3", "a"), ("b", "h1", "a"), ("a", "h2", null)], Moves(plan));
    }

    [Fact]
    public void WhoBreaksARuleElsewhereComesSoThatAnotherMendsItByGoing()
    {
        var apart = new SnapshotRule("apart", RuleKind.Apart, ["a", "b", "c"], []) { Priority = 97 };
        var together = new SnapshotRule("t", RuleKind.Together, ["a", "d"], []) { IsMust = false };
        var on = new SnapshotRule("on", RuleKind.OnHosts, ["a", "b"], ["h1", "h2"]) { Priority = 60 };
        var plan = Plan([apart, together, on], [12, 12, 8], ("a", "h1", 2), ("x", "h1", 6), ("b", "h2", 5), ("c", "h2", 4), ("y", "h2", 6), ("d", "h3", 5));
        Assert.Equal([("c", "h1", "a"), ("a", "h3", null)], Moves(plan));
    }

    [Fact]
    public void TheOddOneOutChangesPlacesWithAnother()
    {
        var together = new SnapshotRule("t", RuleKind.Together, ["a", "b", "c"], []) { IsMust = false, Priority = 80 };
        var on = new SnapshotRule("on", RuleKind.OnHosts, ["a"], ["h3"]) { IsMust = false, Priority = 30 };
        var off = new SnapshotRule("off", RuleKind.OnHosts, ["b"], ["h2", "h3"]);
        var fixedTo = new SnapshotRule("fixed", RuleKind.OnHosts, ["x"], ["h3"]);
        var plan = Plan([together, on, off, fixedTo, new("apart", RuleKind.Apart, ["c", "x"], [])], [10, 8, 12, 12], ("a", "h2", 5), ("b", "h2", 5), ("c", "h4", 3), ("x", "h3", 4));
        Assert.Equal([("a", "h4", "a"), ("c", "h2", "a"), ("a", "h3", null)], Moves(plan));
    }

    [Fact]
    public void AMachineThatOneMoveBringsAwayAndOneMoreHomeIsMovedTwice()
    {
        var on = new SnapshotRule("on", RuleKind.OnHosts, ["a", "b"], ["h1", "h3"]) { IsMust = false, Priority = 0 };
        var together = new SnapshotRule("t", RuleKind.Together, ["c", "d"], []) { Priority = 89 };
        var off = new SnapshotRule("off", RuleKind.OnHosts, ["c", "d", "e"], ["h2", "h3"]) { Priority = 38 };
        var apart = new SnapshotRule("apart", RuleKind.Apart, ["a", "b", "e"], []) { Priority = 91 };
        var plan = Plan([on, together, off, apart], [8, 12, 10], ("a", "h2", 6), ("b", "h2", 5), ("c", "h1", 4), ("d", "h2", 1), ("e", "h3", 5));
        Assert.Equal([("b", "h3"), ("c", "h2"), ("b", "h1")], plan.Moves.Select(m => (m.Vm, m.To)));
        Assert.Equal(["rule on: a, b on h1, h3 only"], plan.Broken);
    }

    [Fact]
    public void WithinABudgetADetourIsMadeWholeOrNotAtAll()
    {
        var snapshot = Cluster([Apart], [10, 10, 10], ("a", "h1", 4), ("b", "h1", 5), ("c", "h2", 7), ("d", "h3", 6), ("e", "h3", 2));
        Assert.Empty(Balancer.Plan(snapshot, BalanceLevel.Of(BalanceLevel.RulesOnly), 1).Moves);
        Assert.Equal(2, Balancer.Plan(snapshot, BalanceLevel.Of(BalanceLevel.RulesOnly), 2).Moves.Length);
    }

    /// <summary>One host is asked for nearly twice its CPU, and another is too small to take anything but what asks for it.</summary>
    [Fact]
    public void WithinABudgetADetourDoesNotTakeTheMovesThatRelieveAHostInDistress()
    {
        var snapshot = Cluster(
            [Apart], [10, 10, 10, 10, 3], ("a", "h1", 4), ("b", "h1", 5), ("c", "h2", 7), ("d", "h3", 6), ("e", "h3", 2), ("f", "h4", 7), ("x", "h4", 1), ("y", "h4", 1), ("z", "h4", 1));
        snapshot = snapshot with { Vms = [.. snapshot.Vms.Select(v => v.Id is "x" or "y" or "z" ? v with { CpuDemandMhz = 6_000 } : v)] };
        var two = Balancer.Plan(snapshot, BalanceLevel.Of(BalanceLevel.Highest), 2);
        Assert.Equal(2, two.Moves.Length);
        Assert.All(two.Moves, m => Assert.Contains(m.Vm, (string[])["x", "y", "z"]));
        Assert.Empty(Balancer.Plan(snapshot, BalanceLevel.Of(BalanceLevel.Highest)).Broken);
    }

    [Fact]
    public void WhoMakesWayIsWorthItsMoveHoweverPoorTheGain()
    {
        var cluster = new Cluster(Cluster([Apart], [10, 10, 10], ("a", "h1", 4), ("b", "h1", 5), ("c", "h2", 7), ("d", "h3", 6), ("e", "h3", 2)));
        var terms = new MoveTerms(1, new(1), 1, ImmutableDictionary<string, double>.Empty);
        var moves = CostBenefit.Worthwhile(cluster, Balancer.Plan(cluster, BalanceLevel.Of(BalanceLevel.RulesOnly)).Moves, terms);
        Assert.Equal(["e", "a"], moves.Select(m => m.Move.Vm));
        Assert.All(moves, m => Assert.True(m.MendsRule));
    }

    /// <summary>The oracle tries every sequence of three moves.</summary>
    [Fact]
    public void WhatAFewMovesMendIsMended() => ClusterGen.Tight.Sample(
        snapshot =>
        {
            var plan = Balancer.Plan(snapshot, BalanceLevel.Of(BalanceLevel.RulesOnly));
            var at = plan.Moves.GroupBy(m => m.Vm).ToDictionary(g => g.Key, g => g.Last().To);
            var after = new Cluster(snapshot.WithMoved(at));
            // What must be together moves as one, as it does for the balancer.
            var units = MoveUnits.Of(after, after.Start, doKeptStay: true).Cluster;
            var state = new ClusterState(units);
            var repair = ExactBalancer.Way(state, 3, (vm, host) => units.Rules.Weigh(vm, host, state.At).IsBetter, (_, _) => true);
            Assert.True(repair is null, $"{repair} of {ClusterGen.Text(units.Snapshot)}");
        },
        iter: 300);

    private static BalancePlan Plan(ImmutableArray<SnapshotRule> rules, params (string Id, string Host, int Gb)[] vms) => Plan(rules, [10, 10, 10], vms);

    private static BalancePlan Plan(ImmutableArray<SnapshotRule> rules, int[] hosts, params (string Id, string Host, int Gb)[] vms) =>
        Balancer.Plan(Cluster(rules, hosts, vms), BalanceLevel.Of(BalanceLevel.RulesOnly));

    private static ClusterSnapshot Cluster(ImmutableArray<SnapshotRule> rules, int[] hosts, params (string Id, string Host, int Gb)[] vms) => new()
    {
        Hosts = [.. hosts.Select((gb, n) => new SnapshotHost($"h{n + 1}", 10_000, 1024 * gb))],
        Vms = [.. vms.Select(v => new SnapshotVm { Id = v.Id, Host = v.Host, CpuDemandMhz = 100, ConsumedMb = 1024 * v.Gb, ActiveMb = 1024 * v.Gb })],
        Rules = rules,
    };

    private static IEnumerable<(string, string, string?)> Moves(BalancePlan plan) => plan.Moves.Select(m => (m.Vm, m.To, m.For));
}
