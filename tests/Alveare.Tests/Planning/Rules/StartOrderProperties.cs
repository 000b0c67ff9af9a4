using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Planning.Rules;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Rules;

public sealed class StartOrderProperties
{
    private static readonly EntityId[] Vms = [.. Enumerable.Range(1, 8).Select(n => EntityId.Vm(new Guid(n, 0, 0, new byte[8])))];

    [Fact]
    public void EachMachineStartsOnceAndAfterThoseThatItsRulesPutFirst() =>
        Gen.Select(Gen.Select(Gen.Int[0, 7], Gen.Int[0, 7]).Array[0, 8], Gen.Int[0, 7].HashSet[0, 8]).Sample((pairs, chosen) =>
        {
            // From a lower to a higher number only: no circles.
            var after = pairs.Where(p => p.Item1 != p.Item2).Select(p => (First: Math.Min(p.Item1, p.Item2), Then: Math.Max(p.Item1, p.Item2))).Distinct().ToList();
            var steps = StartOrder.Steps(ClusterOf(after, isMust: true), chosen.Select(n => Vms[n]));
            Assert.Equal(chosen.Select(n => Vms[n]).Order(), steps.SelectMany(s => s).Order());
            int StepOf(int vm) => steps.IndexOf(steps.First(s => s.Contains(Vms[vm])));
            Assert.All(after.Where(a => chosen.Contains(a.First) && chosen.Contains(a.Then)), a => Assert.True(StepOf(a.First) < StepOf(a.Then)));
        });

    [Fact]
    public void RulesThatShouldHoldAndContradictAreLeftAside() =>
        Assert.Equal(2, Assert.Single(StartOrder.Steps(ClusterOf([(0, 1), (1, 0)], isMust: false), Vms[..2])).Length);

    private static Cluster ClusterOf(List<(int First, int Then)> after, bool isMust) => new()
    {
        Id = new EntityId(EntityKind.Cluster, Guid.Empty),
        Name = "cluster",
        VmGroups = [.. after.Select((a, n) => new ClusterGroup($"g{n}", [Vms[a.First]]))],
        Rules = [.. after.Select((a, n) => new ClusterRule { Name = $"r{n}", Kind = ClusterRuleKind.StartAfter, Vms = [Vms[a.Then]], AfterGroup = $"g{n}", IsMust = isMust })],
    };
}
