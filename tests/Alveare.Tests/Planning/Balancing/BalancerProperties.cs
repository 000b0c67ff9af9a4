using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Balancing;

public sealed class BalancerProperties
{
    private static readonly Gen<int> Levels = Gen.Int[1, 5];
    private static readonly Gen<int?> Budgets = Gen.Int[0, 8].Select(n => n == 8 ? (int?)null : n);

    [Fact]
    public void TheOrderOfTheInputDoesNotMatter() => Gen.Select(ClusterGen.Any, Levels, Budgets, Gen.Int).Sample(
        (snapshot, level, budget, seed) => Assert.Equal(
            Balancer.Plan(snapshot, BalanceLevel.Of(level), budget).Moves.AsEnumerable(),
            Balancer.Plan(ClusterGen.Shuffled(snapshot, seed), BalanceLevel.Of(level), budget).Moves),
        iter: 60);

    [Fact]
    public void EveryMoveFindsRoomAndBreaksNoRule() => Gen.Select(ClusterGen.Any, Levels, Budgets).Sample(
        (snapshot, level, budget) =>
        {
            var plan = Balancer.Plan(snapshot, BalanceLevel.Of(level), budget);
            var state = new ClusterState(new Cluster(snapshot));
            foreach (var move in plan.Moves)
            {
                var (vm, to) = (state.Cluster.VmNumbers[move.Vm], state.Cluster.HostNumbers[move.To]);
                Assert.Equal(move.From, state.Cluster.Hosts[state.At[vm]].Id);
                Assert.Empty(HostRefusals.Of(state, vm, to));
                state.Move(vm, to);
            }

            Assert.True(plan.Moves.Length <= (budget ?? int.MaxValue));
            Assert.Equal(state.Broken, plan.After.Broken);
            Assert.All(plan.Moves, m => Assert.Contains(m.To, m.Reason, StringComparison.Ordinal));
        },
        iter: 100);

    [Fact]
    public void ImbalanceIsNeverRaised() => Gen.Select(ClusterGen.WithoutRules, Levels, Budgets).Sample(
        (snapshot, level, budget) =>
        {
            var plan = Balancer.Plan(snapshot, BalanceLevel.Of(level), budget);
            if (budget is null)
                Assert.True(Squares(plan.After) <= Squares(plan.Before) + 1e-12);
            else
                Assert.True(plan.After.SdCpu + plan.After.SdMem <= plan.Before.SdCpu + plan.Before.SdMem + 1e-9);
        },
        iter: 100);

    [Fact]
    public void PlanningAgainOnTheOutcomeFindsNothing() => Gen.Select(ClusterGen.Any, Levels).Sample(
        (snapshot, level) => Assert.Empty(Balancer.Plan(Applied(snapshot, Balancer.Plan(snapshot, BalanceLevel.Of(level))), BalanceLevel.Of(level)).Moves),
        iter: 100);

    [Fact]
    public void TheLowestLevelMovesOnlyWhatBreaksRules() => ClusterGen.WithoutRules.Sample(
        snapshot => Assert.Empty(Balancer.Plan(snapshot, BalanceLevel.Of(BalanceLevel.RulesOnly)).Moves), iter: 50);

    [Fact]
    public void AFewMovesAreNearlyAsGoodAsTheBestFew() => Gen.Select(ClusterGen.Tiny, Gen.Int[1, 3]).Sample(
        (snapshot, budget) =>
        {
            var cluster = new Cluster(snapshot);
            // Within a budget that is smaller than what balancing wants it looks for the best few, and the oracle knows them.
            if (Balancer.Plan(cluster, BalanceLevel.Of(BalanceLevel.Highest)).Moves.Length <= budget)
                return;
            var plan = Balancer.Plan(cluster, BalanceLevel.Of(BalanceLevel.Highest), budget);
            var best = ExactBalancer.LeastDeviation(cluster, budget);
            Assert.True(plan.After.SdCpu + plan.After.SdMem >= best - 1e-9);
            Assert.True(plan.After.SdCpu + plan.After.SdMem <= (1.1 * best) + 0.01, $"{plan.After.SdCpu + plan.After.SdMem} where {best} is possible");
        },
        iter: 100);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void AClusterOfOneHostOrNoneHasNothingToMove(int hosts)
    {
        var snapshot = new ClusterSnapshot
        {
            Hosts = [.. Enumerable.Range(0, hosts).Select(n => new SnapshotHost($"h{n}", 1000, 1024))],
            Vms = [.. Enumerable.Range(0, hosts).Select(n => new SnapshotVm { Id = "vm", Host = $"h{n}", CpuDemandMhz = 5000, ConsumedMb = 10 })],
        };
        Assert.Empty(Balancer.Plan(snapshot, BalanceLevel.Of(BalanceLevel.Highest)).Moves);
    }

    private static double Squares(ClusterFigures figures) => (figures.SdCpu * figures.SdCpu) + (figures.SdMem * figures.SdMem);

    private static ClusterSnapshot Applied(ClusterSnapshot snapshot, BalancePlan plan)
    {
        var at = plan.Moves.ToLookup(m => m.Vm, m => m.To);
        return snapshot with { Vms = [.. snapshot.Vms.Select(v => at[v.Id].LastOrDefault() is { } to ? v with { Host = to } : v)] };
    }
}
