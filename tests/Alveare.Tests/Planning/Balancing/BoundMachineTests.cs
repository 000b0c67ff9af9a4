using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;
using Xunit;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>Machines that a rule binds to a host and that ask for more CPU than it has: to break the rule would even out most.</summary>
public sealed class BoundMachineTests
{
    /// <summary>The standard snapshot 3x8-hotspot of seed 2, in which two machines must go to the host that has most of the others.</summary>
    private static readonly ClusterSnapshot TwoGoToAFullHost = new()
    {
        Hosts = [new("h0", 5_200, 81_920), new("h1", 2_600, 81_920), new("h2", 2_600, 81_920)],
        Vms =
        [
            Vm("vm0", "h2", 129, 722, 722),
            Vm("vm1", "h2", 406, 3_776, 1_776),
            Vm("vm2", "h2", 107, 1_792, 501),
            Vm("vm3", "h2", 217, 28_018, 6_090),
            Vm("vm4", "h1", 4_053, 760, 196),
            Vm("vm5", "h0", 126, 48_255, 4_761),
            Vm("vm6", "h2", 639, 1_500, 275),
            Vm("vm7", "h2", 278, 1_764, 634),
        ],
        Rules = [new("bound", RuleKind.OnHosts, ["vm5", "vm4"], ["h2"])],
    };

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void TheOthersMakeRoomForThem(int level)
    {
        var plan = Balancer.Plan(TwoGoToAFullHost, BalanceLevel.Of(level));
        Assert.Equal(0, plan.After.Broken);
        var at = Places(TwoGoToAFullHost, plan);
        Assert.All((string[])["vm1", "vm6", "vm7"], vm => Assert.NotEqual("h2", at[vm]));
        Assert.Contains("h0", at.Values);
        Assert.True(plan.After.SdCpu < 0.75 * Balancer.Plan(TwoGoToAFullHost, BalanceLevel.Of(BalanceLevel.RulesOnly)).After.SdCpu);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void OnceTheyAreThereAFewMovesDoWhatTheyCan(int budget)
    {
        var mended = Applied(TwoGoToAFullHost, Balancer.Plan(TwoGoToAFullHost, BalanceLevel.Of(BalanceLevel.RulesOnly)));
        var plan = Balancer.Plan(mended, BalanceLevel.Of(5), budget);
        Assert.Contains("vm6", plan.Moves.Select(m => m.Vm));
        Assert.Equal(budget, plan.Moves.Length);
        Assert.Equal(0, plan.After.Broken);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void NothingStaysBesideOneThatAsksForFiveHosts(bool isThorough)
    {
        var cluster = OneAsksForFiveHosts();
        var plan = Balancer.Plan(new Cluster(cluster), BalanceLevel.Of(5), isThorough: isThorough);
        var at = Places(cluster, plan);
        Assert.Equal("h0", at["giant"]);
        Assert.Single(at, a => a.Value == "h0");
        Assert.Contains("h7", at.Values);
    }

    // A hundred machines on seven hosts, those of the first beside the giant, and none on the largest.
    private static ClusterSnapshot OneAsksForFiveHosts() => new()
    {
        Hosts = [.. Enumerable.Range(0, 8).Select(n => new SnapshotHost($"h{n}", n == 7 ? 40_000 : 20_000, n == 7 ? 327_680 : 131_072))],
        Vms =
        [
            Vm("giant", "h0", 100_000, 8_192, 2_048),
            .. Enumerable.Range(0, 99).Select(n => Vm($"vm{n:00}", $"h{n % 7}", 300 + (100 * (n % 11)), 2_048 * (1 + (n % 4)), 1_024)),
        ],
        Rules = [new("bound", RuleKind.OnHosts, ["giant"], ["h0"])],
    };

    private static SnapshotVm Vm(string id, string host, double cpu, double consumed, double active) =>
        new() { Id = id, Host = host, CpuDemandMhz = cpu, ConsumedMb = consumed, ActiveMb = active, CpuLimitMhz = -1 };

    private static Dictionary<string, string> Places(ClusterSnapshot snapshot, BalancePlan plan) => Applied(snapshot, plan).Vms.ToDictionary(v => v.Id, v => v.Host);

    private static ClusterSnapshot Applied(ClusterSnapshot snapshot, BalancePlan plan)
    {
        var at = plan.Moves.ToLookup(m => m.Vm, m => m.To);
        return snapshot with { Vms = [.. snapshot.Vms.Select(v => at[v.Id].LastOrDefault() is { } to ? v with { Host = to } : v)] };
    }
}
