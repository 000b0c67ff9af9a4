using System.Collections.Immutable;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>Hosts that are emptied, or have failed, while the others are so full that some of their machines have to make room.</summary>
public sealed class EvacuationTests
{
    private static readonly Gen<(ClusterSnapshot Snapshot, bool HasFailed, string Host)> Cases =
        Gen.Select(ClusterGen.Tight, Gen.Bool, Gen.Int[0, 99], (snapshot, hasFailed, some) => (snapshot, hasFailed, snapshot.Hosts[some % snapshot.Hosts.Length].Id));

    [Fact]
    public void AnotherMachineMakesRoom()
    {
        var plan = Evacuation.Maintenance(Cluster([], ("a", "h1", 6), ("b", "h2", 4), ("c", "h2", 3), ("d", "h3", 7)), "h1");
        Assert.Equal([("c", "h2", "h3", "a"), ("a", "h1", "h2", null)], Moves(plan));
        Assert.StartsWith("so that a can go to h2, h3 takes it: ", plan.Moves[0].Reason, StringComparison.Ordinal);
        Assert.StartsWith("h2 takes it now that others have made room: ", plan.Moves[1].Reason, StringComparison.Ordinal);
        Assert.Empty(plan.Stuck);
    }

    [Fact]
    public void AMachineStartsAgainWhereAnotherHasMadeRoom() => Assert.Equal(
        [("c", "h2", "h3", "a"), ("a", "h1", "h2", null)],
        Moves(Evacuation.Failure(Cluster([], ("a", "h1", 6), ("b", "h2", 4), ("c", "h2", 3), ("d", "h3", 7)), "h1")));

    [Fact]
    public void WhoeverFindsRoomByItselfLeavesFirst() => Assert.Equal(
        [("e", "h1", "h3", null), ("c", "h2", "h3", "a"), ("a", "h1", "h2", null)],
        Moves(Evacuation.Maintenance(Cluster([], ("a", "h1", 6), ("b", "h2", 4), ("c", "h2", 3), ("d", "h3", 5), ("e", "h1", 2)), "h1")));

    [Fact]
    public void AMachineThatARuleKeepsApartLeavesFirst() => Assert.Equal(
        [("b", "h2", "h3", "a"), ("a", "h1", "h2", null)],
        Moves(Evacuation.Maintenance(
            Cluster([new("r", RuleKind.Apart, ["a", "b"], []), new("on", RuleKind.OnHosts, ["a"], ["h1", "h2"])], ("a", "h1", 3), ("b", "h2", 1), ("x", "h3", 8)), "h1")));

    [Fact]
    public void AGroupMakesRoomAsOneForAGroup()
    {
        var plan = Evacuation.Maintenance(
            Cluster([new("ab", RuleKind.Together, ["a", "b"], []), new("cd", RuleKind.Together, ["c", "d"], [])], ("a", "h1", 3), ("b", "h1", 3), ("c", "h2", 1), ("d", "h2", 2), ("e", "h2", 4), ("f", "h3", 7)),
            "h1");
        Assert.Equal([("c", "h2", "h3", "a"), ("d", "h2", "h3", "a"), ("a", "h1", "h2", null), ("b", "h1", "h2", null)], Moves(plan));
        Assert.Equal([null, "c", null, "a"], plan.Moves.Select(m => m.With));
    }

    [Theory]
    [InlineData(1, "that may take it: ")]
    [InlineData(2, "that may take it and the machine it is kept together with: ")]
    [InlineData(3, "that may take it and the 2 machines it is kept together with: ")]
    public void AReasonSaysHowManyMoveTogether(int machines, string expected)
    {
        string[] group = ["a", "b", "c"];
        ImmutableArray<SnapshotRule> rules = machines > 1 ? [new("group", RuleKind.Together, [.. group[..machines]], [])] : [];
        var plan = Evacuation.Maintenance(Cluster(rules, [.. group[..machines].Select(vm => (vm, "h1", 1))]), "h1");
        Assert.All(plan.Moves, m => Assert.Contains(expected, m.Reason, StringComparison.Ordinal));
        Assert.Equal(machines, plan.Moves.Length);
    }

    [Fact]
    public void WhoMayNotBeMovedMakesNoRoom()
    {
        var snapshot = Cluster([], ("a", "h1", 6), ("b", "h2", 4), ("c", "h2", 3), ("d", "h3", 7));
        var plan = Evacuation.Maintenance(snapshot, "h1", mayHelp: vm => vm != "c");
        Assert.Empty(plan.Moves);
        Assert.Contains("needs 6144 MB", Assert.Single(plan.Stuck).Reasons[0].Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(OwnMode.Off)]
    [InlineData(OwnMode.Manual)]
    [InlineData(OwnMode.Partial)]
    public void AMachineWhoseOwnModeIsNotFullMakesNoRoom(OwnMode mode)
    {
        var snapshot = Cluster([], ("a", "h1", 6), ("b", "h2", 4), ("c", "h2", 3), ("d", "h3", 7));
        foreach (var plan in new[] { Evacuation.Maintenance(With(snapshot, "c", mode), "h1"), Evacuation.Failure(With(snapshot, "c", mode), "h1") })
        {
            Assert.Empty(plan.Moves);
            Assert.Equal("a", Assert.Single(plan.Stuck).Vm);
        }

        Assert.Equal(["c", "a"], Evacuation.Maintenance(With(snapshot, "c", OwnMode.Full), "h1").Moves.Select(m => m.Vm));
        // The host's own machines leave it whatever their modes say.
        Assert.Equal(["c", "a"], Evacuation.Maintenance(With(snapshot, "a", mode), "h1").Moves.Select(m => m.Vm));
    }

    /// <summary>The oracle tries every sequence of three moves.</summary>
    [Fact]
    public void WhoIsStuckIsNotHelpedByAFewMoves() => Cases.Sample(
        c =>
        {
            var plan = Plan(c);
            var after = new Cluster(c.Snapshot.WithMoved(Places(plan)));
            var (left, stuck) = (after.HostNumbers[c.Host], plan.Stuck.Select(s => s.Vm).ToHashSet(StringComparer.Ordinal));
            var ours = c.Snapshot.Vms.Where(v => v.Host == c.Host).Select(v => v.Id).ToHashSet(StringComparer.Ordinal);
            var groups = MoveUnits.Of(after, after.Start);
            var units = groups.Cluster;
            var state = new ClusterState(units);
            foreach (var vm in stuck.Where(vm => c.HasFailed && units.VmNumbers.ContainsKey(vm)))
                state.Move(units.VmNumbers[vm], ClusterState.Nowhere);
            var way = ExactBalancer.Way(
                state,
                3,
                (vm, host) => stuck.Contains(units.Vms[vm].Id) && host != left && units.Rules.Weigh(vm, host, state.At).Must <= 0,
                // Nobody is moved twice off the host and then out of the way.
                (vm, host) => host != left && !groups.MembersOf(units.Vms[vm].Id).Any(m => ours.Contains(after.Vms[m].Id)));
            Assert.True(way is null, $"{way} after {c.Host} {(c.HasFailed ? "failed" : "was emptied")} of {ClusterGen.Text(c.Snapshot)} and {string.Join(", ", plan.Moves.Select(m => $"{m.Vm} to {m.To}"))}");
        },
        iter: 300);

    [Fact]
    public void EveryMoveFindsRoomAndBreaksNoMore() => Cases.Sample(
        c =>
        {
            var state = new ClusterState(new Cluster(c.Snapshot));
            var cluster = state.Cluster;
            foreach (var vm in c.Snapshot.Vms.Where(v => c.HasFailed && v.Host == c.Host))
                state.Move(cluster.VmNumbers[vm.Id], ClusterState.Nowhere);
            foreach (var group in Groups(Plan(c).Moves))
            {
                var before = Musts(state);
                foreach (var move in group)
                {
                    Assert.True(state.HasRoom(cluster.VmNumbers[move.Vm], cluster.HostNumbers[move.To]));
                    state.Move(cluster.VmNumbers[move.Vm], cluster.HostNumbers[move.To]);
                }

                // Rules that contradict each other are broken by those that start again.
                Assert.True(Musts(state) <= before || (c.HasFailed && group[0].From == c.Host));
            }
        });

    [Fact]
    public void TheOrderOfTheInputIsIrrelevant() => Gen.Select(Cases, Gen.Int).Sample((c, seed) =>
        Assert.Equal(Plan(c).Moves.AsEnumerable(), Plan((ClusterGen.Shuffled(c.Snapshot, seed), c.HasFailed, c.Host)).Moves));

    private static EvacuationPlan Plan((ClusterSnapshot Snapshot, bool HasFailed, string Host) asked) =>
        asked.HasFailed ? Evacuation.Failure(asked.Snapshot, asked.Host) : Evacuation.Maintenance(asked.Snapshot, asked.Host);

    private static IEnumerable<List<PlannedMove>> Groups(IEnumerable<PlannedMove> moves)
    {
        var group = new List<PlannedMove>();
        foreach (var move in moves)
        {
            if (move.With is null && group.Count > 0)
            {
                yield return group;
                group = [];
            }

            group.Add(move);
        }

        yield return group;
    }

    private static int Musts(ClusterState state) =>
        Enumerable.Range(0, state.Cluster.Rules.Count).Where(r => state.Cluster.Rules[r].IsMust).Sum(r => state.Cluster.Rules.Broken(r, state.At));

    private static Dictionary<string, string> Places(EvacuationPlan plan) => plan.Moves.GroupBy(m => m.Vm).ToDictionary(g => g.Key, g => g.Last().To);

    private static ClusterSnapshot Cluster(ImmutableArray<SnapshotRule> rules, params (string Id, string Host, int Gb)[] vms) => new()
    {
        Hosts = [.. Enumerable.Range(1, 3).Select(n => new SnapshotHost($"h{n}", 10_000, 10_240))],
        Vms = [.. vms.Select(v => new SnapshotVm { Id = v.Id, Host = v.Host, CpuDemandMhz = 100, ConsumedMb = 1024 * v.Gb, ActiveMb = 1024 * v.Gb })],
        Rules = rules,
    };

    private static ClusterSnapshot With(ClusterSnapshot snapshot, string vm, OwnMode mode) =>
        snapshot with { Vms = [.. snapshot.Vms.Select(v => v.Id == vm ? v with { OwnMode = mode } : v)] };

    private static IEnumerable<(string, string, string, string?)> Moves(EvacuationPlan plan) => plan.Moves.Select(m => (m.Vm, m.From, m.To, m.For));
}
