using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Migration;
using Alveare.Planning.Snapshots;
using Xunit;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>A move is made only when it brings more than it costs.</summary>
public sealed class CostBenefitTests
{
    [Fact]
    public void AMoveThatHoldsLongIsMade()
    {
        var made = Assert.Single(Worthwhile(Hot(), seconds: 3600));
        Assert.True(made.Gain > made.Cost && made.Cost > 0);
        Assert.Equal(3600, made.HoldsSeconds);
    }

    [Fact]
    public void ALoadOfAMomentMovesNothing() => Assert.Empty(Worthwhile(Hot(), seconds: 5));

    [Fact]
    public void AMachineWithoutAPastIsNotMoved() => Assert.Empty(CostBenefit.Worthwhile(Hot(), Plan(Hot()), Terms(Hot(), 3600) with { SteadySeconds = new Dictionary<string, double>() }));

    [Fact]
    public void OverASlowLinkOnlyWhatBringsMuchIsMoved() =>
        Assert.Empty(CostBenefit.Worthwhile(Hot(), Plan(Hot()), Terms(Hot(), 3600) with { MbPerSecond = 0.5 }));

    [Fact]
    public void ABrokenRuleIsMendedWhateverItCosts()
    {
        var snapshot = Snapshot([Vm("a", "h1", 100), Vm("b", "h1", 100)]) with { Rules = [new("apart", RuleKind.Apart, ["a", "b"], [])] };
        Assert.True(Assert.Single(Worthwhile(new Cluster(snapshot), seconds: 0)).MendsRule);
    }

    [Fact]
    public void BothHalvesOfAnExchangeAreJudgedTogether()
    {
        // Out goes much and in comes less: the first half alone overshoots.
        var cluster = new Cluster(Snapshot([Vm("big", "h1", 6000), Vm("rest", "h1", 2000), Vm("small", "h2", 3000)]));
        PlannedMove[] moves = [new("big", "h1", "h2", 2, ""), new("small", "h2", "h1", 2, "")];
        Assert.Equal(2, CostBenefit.Worthwhile(cluster, moves, Terms(cluster, 3600)).Length);
    }

    [Fact]
    public void WhatNeededRoomThatIsNotFreedIsLeftOut()
    {
        var snapshot = Snapshot([Vm("idle", "h2", 0) with { ConsumedMb = 30000 }, Vm("a", "h1", 5000) with { ConsumedMb = 8000 }, Vm("b", "h1", 5000) with { ConsumedMb = 8000 }]);
        var cluster = new Cluster(snapshot);
        PlannedMove[] moves = [new("idle", "h2", "h1", 30, ""), new("a", "h1", "h2", 8, "")];
        Assert.DoesNotContain(CostBenefit.Worthwhile(cluster, moves, Terms(cluster, 3600)), m => m.Move.Vm == "idle");
    }

    [Fact]
    public void MoreTimeNeverMakesFewerMoves()
    {
        for (var seed = 1; seed <= 40; seed++)
        {
            var dice = new Random(seed);
            var cluster = new Cluster(Snapshot([.. Enumerable.Range(0, 30).Select(n => Vm($"vm{n}", $"h{1 + dice.Next(3)}", dice.Next(3000)))]));
            var plan = Balancer.Plan(cluster, BalanceLevel.Of(BalanceLevel.Highest)).Moves;
            var made = new[] { 0.0, 30, 600, 3600 }.Select(s => CostBenefit.Worthwhile(cluster, plan, Terms(cluster, s)).Length).ToArray();
            Assert.Equal(made.Order(), made);
            Assert.True(made[^1] <= plan.Length);
        }
    }

    [Fact]
    public void AQuickPlanLeavesNothingToo()
    {
        var dice = new Random(5);
        var snapshot = Snapshot([.. Enumerable.Range(0, 500).Select(n => Vm($"vm{n}", $"h{1 + (n % 2)}", dice.Next(50)) with { ConsumedMb = 20, ActiveMb = 10 })]);
        var plan = Balancer.Plan(new Cluster(snapshot), BalanceLevel.Of(BalanceLevel.Highest), isThorough: false);
        Assert.NotEmpty(plan.Moves);
        var to = plan.Moves.GroupBy(m => m.Vm).ToDictionary(g => g.Key, g => g.Last().To);
        var after = snapshot with { Vms = [.. snapshot.Vms.Select(v => v with { Host = to.GetValueOrDefault(v.Id, v.Host) })] };
        Assert.Empty(Balancer.Plan(new Cluster(after), BalanceLevel.Of(BalanceLevel.Highest), isThorough: false).Moves);
    }

    [Fact]
    public void AMoveOverALinkHalfAsFastCostsTwiceAsMuch()
    {
        var (cluster, plan) = (Hot(), Plan(Hot()));
        var usual = Assert.Single(CostBenefit.Worthwhile(cluster, plan, Terms(cluster, 3600)));
        var links = new Dictionary<(string, string), double> { [(usual.Move.From, usual.Move.To)] = 50 };
        Assert.Equal(2 * usual.Cost, Assert.Single(CostBenefit.Worthwhile(cluster, plan, Terms(cluster, 3600) with { Links = links })).Cost, 0.001);
        links = new() { [(usual.Move.To, usual.Move.From)] = 50 };
        Assert.Equal(usual.Cost, Assert.Single(CostBenefit.Worthwhile(cluster, plan, Terms(cluster, 3600) with { Links = links })).Cost);
    }

    [Fact]
    public void AMachineThatWritesMuchCostsMoreThanOneThatRests()
    {
        var (cluster, plan) = (Hot(), Plan(Hot()));
        var usual = Assert.Single(CostBenefit.Worthwhile(cluster, plan, Terms(cluster, 3600)));
        MoveTerms Sending(string vm, double overhead) => Terms(cluster, 3600) with { Loads = new Dictionary<string, TransferLoad> { [vm] = new(overhead) } };
        Assert.Equal(8 * usual.Cost, Assert.Single(CostBenefit.Worthwhile(cluster, plan, Sending(usual.Move.Vm, 10))).Cost, 0.001);
        Assert.Equal(usual.Cost / 5, Assert.Single(CostBenefit.Worthwhile(cluster, plan, Sending(usual.Move.Vm, 0.25))).Cost, 0.001);
        Assert.Equal(usual.Cost, Assert.Single(CostBenefit.Worthwhile(cluster, plan, Sending("c", 10))).Cost);
        // As long as the load has been so, the one that rests is worth its move and the one that writes is not.
        var seconds = 3600 * 2 * usual.Cost / usual.Gain;
        Assert.Single(CostBenefit.Worthwhile(cluster, plan, Terms(cluster, seconds)));
        Assert.Empty(CostBenefit.Worthwhile(cluster, plan, Terms(cluster, seconds) with { Loads = new Dictionary<string, TransferLoad> { [usual.Move.Vm] = new(10) } }));
    }

    [Fact]
    public void AMachineThatWritesCostsMoreTheSlowerTheLink()
    {
        var (cluster, plan) = (Hot(), Plan(Hot()));
        var usual = Assert.Single(CostBenefit.Worthwhile(cluster, plan, Terms(cluster, 3600)));
        // At 100 MB/s four fifths of the link are taken by what is sent again, at 1000 MB/s hardly any of it.
        double Cost(double mbPerSecond, double dirty) => Assert.Single(CostBenefit.Worthwhile(cluster, plan, Terms(cluster, 3600) with
        {
            Links = new Dictionary<(string, string), double> { [(usual.Move.From, usual.Move.To)] = mbPerSecond },
            Loads = new Dictionary<string, TransferLoad> { [usual.Move.Vm] = new(1.25, dirty) },
        })).Cost;
        Assert.Equal(usual.Cost, Cost(100, 0), 0.001);
        Assert.Equal(5 * usual.Cost, Cost(100, 80), 0.001);
        Assert.Equal(usual.Cost / 9.2, Cost(1000, 80), 0.001);
    }

    [Fact]
    public void AGroupSendsWhatItsMachinesSend()
    {
        var snapshot = Snapshot([Vm("a", "h1", 100), Vm("b", "h1", 100) with { ConsumedMb = 3 * 2048 }, Vm("c", "h1", 100)]);
        var cluster = new Cluster(snapshot with { Rules = [new("pair", RuleKind.Together, ["a", "b"], [])] });
        var terms = Terms(cluster, 3600) with { Loads = new Dictionary<string, TransferLoad> { ["a"] = new(5, 20), ["b"] = new(1, 10) } };
        var ofUnits = terms.Of(MoveUnits.Of(cluster, cluster.Start));
        Assert.Equal((new(2, 30), new(1.25)), (ofUnits.LoadOf("a"), ofUnits.LoadOf("c")));
    }

    private static Cluster Hot() => new(Snapshot([Vm("a", "h1", 5000), Vm("b", "h1", 5000), Vm("c", "h2", 100)]));

    private static IReadOnlyList<PlannedMove> Plan(Cluster cluster) => Balancer.Plan(cluster, BalanceLevel.Of(3)).Moves;

    private static IReadOnlyList<ValuedMove> Worthwhile(Cluster cluster, double seconds) => CostBenefit.Worthwhile(cluster, Plan(cluster), Terms(cluster, seconds));

    private static MoveTerms Terms(Cluster cluster, double seconds) =>
        new(100, new(1.25), 5, cluster.Vms.ToDictionary(v => v.Id, _ => seconds));

    private static ClusterSnapshot Snapshot(IEnumerable<SnapshotVm> vms) => new()
    {
        Hosts = [new("h1", 10000, 32000), new("h2", 10000, 32000), new("h3", 10000, 32000)],
        Vms = [.. vms],
    };

    private static SnapshotVm Vm(string id, string host, double cpu) =>
        new() { Id = id, Host = host, CpuDemandMhz = cpu, MemMb = 4096, ConsumedMb = 2048, ActiveMb = 512 };
}
