using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;
using Alveare.Planning.WhatIf;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.WhatIf;

public sealed class WhatIfProperties
{
    private static readonly SnapshotVm New = new() { Id = PlacementQuestion.Vm, Host = "", CpuDemandMhz = 500, MemMb = 2_048, ConsumedMb = 2_048, ActiveMb = 1_024 };

    [Fact]
    public void MoreLoadNeverLowersAHostsScore() => Gen.Select(ClusterGen.Any, Gen.Int[0, 99], Gen.Int[0, 9_000]).Sample((snapshot, some, more) =>
    {
        var vm = snapshot.Vms[some % snapshot.Vms.Length];
        var busier = snapshot with { Vms = snapshot.Vms.Replace(vm, vm with { CpuDemandMhz = vm.CpuDemandMhz + more, ActiveMb = vm.ActiveMb + more }) };
        var (one, other) = (PlacementQuestion.Ask(snapshot, New, []), PlacementQuestion.Ask(busier, New, []));
        Assert.All(one.Hosts.Zip(other.Hosts), pair => Assert.True(pair.Second.Load >= pair.First.Load - 1e-12));
    });

    [Fact]
    public void ANewMachineKeepsItsRules() => Gen.Select(ClusterGen.Any, Gen.Int[0, 99]).Sample((snapshot, some) =>
    {
        var vm = snapshot.Vms[some % snapshot.Vms.Length];
        var apart = PlacementQuestion.Ask(snapshot, New, [new("apart", RuleKind.Apart, [PlacementQuestion.Vm, vm.Id], [])]);
        var together = PlacementQuestion.Ask(snapshot, New, [new("together", RuleKind.Together, [PlacementQuestion.Vm, vm.Id], [])]);
        Assert.NotEqual(vm.Host, apart.Host);
        Assert.True(together.Host is null || together.Host == vm.Host);
        Assert.Equal(apart.Host is null, apart.Hosts.All(h => h.Refusal is not null));
    });

    [Fact]
    public void AMachineMayHaveTheNameOfTheOneThatIsAskedAbout()
    {
        var snapshot = new ClusterSnapshot
        {
            Hosts = [new("h1", 10_000, 16_384), new("h2", 10_000, 16_384)],
            Vms = [New with { Id = PlacementQuestion.Vm, Host = "h1" }, New with { Id = "(copy)", Host = "h1" }],
        };
        Assert.Equal("h2", Answering.Place(snapshot, new PlaceQuestion { Memory = Bytes.FromGib(1), ApartFrom = [PlacementQuestion.Vm] }).Host);
        Assert.Equal(14, Answering.Grow(snapshot, new GrowQuestion { Like = "(copy)" }).Now.Fit);
    }

    [Fact]
    public void ANewHostHasWhatSomeMachinesCannotRunWithout()
    {
        var snapshot = new ClusterSnapshot { Hosts = [new("h1", 10_000, 16_384), new("h2", 10_000, 16_384)], Vms = [New with { Id = "a", Host = "h1", OnlyOn = ["h1"] }] };
        var answer = Answering.Grow(snapshot, new GrowQuestion { Like = "a", HostCpu = new(10_000), HostMemory = Bytes.FromGib(16) });
        Assert.Equal([new("h1", 7)], answer.Now.PerHost);
        Assert.Equal([new("h1", 7), new("new001", 8)], answer.Grown!.PerHost);
    }

    [Fact]
    public void WhatCannotMoveLiveIsStartedElsewhere()
    {
        var snapshot = new ClusterSnapshot
        {
            Hosts = [new("h1", 10_000, 16_384), new("h2", 10_000, 16_384), new("h3", 10_000, 16_384)],
            Vms = [New with { Id = "a", Host = "h1", OnlyOn = ["h1"], StartsOn = ["h1", "h2"] }, New with { Id = "b", Host = "h2", OnlyOn = ["h2"], StartsOn = [] }],
        };
        Assert.Equal("h2", Assert.Single(Evacuation.Failure(snapshot, "h1").Moves).To);
        Assert.Equal("h3", Assert.Single(Evacuation.Failure(snapshot, "h2").Moves).To);
        Assert.Single(Evacuation.Maintenance(snapshot, "h1").Stuck);
        Assert.Equal(["h1", "h2"], Answering.Grow(snapshot, new GrowQuestion { Like = "a" }).Now.PerHost.Select(h => h.Host));
    }

    [Fact]
    public void WhereMachinesArePromisedTheirMemoryANewOneIsToo()
    {
        var snapshot = new ClusterSnapshot { Hosts = [new("h1", 10_000, 16_384)], Vms = [New with { Id = "a", Host = "h1", MemMb = 14_000, ConsumedMb = 2_000, MemReservationMb = 14_000 }] };
        var question = new PlaceQuestion { Memory = Bytes.FromGib(8) };
        Assert.Equal("h1", Answering.Place(snapshot, question).Host);
        Assert.Null(Answering.Place(snapshot with { IsMemoryPromised = true }, question).Host);
    }

    [Fact]
    public void WhereMachinesArePromisedTheirMemoryThatIsWhatLoadsAHost()
    {
        static SnapshotVm Vm(string id, string host, double mb, double active) =>
            new() { Id = id, Host = host, MemMb = mb, ConsumedMb = active, ActiveMb = active, MemReservationMb = mb };
        var snapshot = new ClusterSnapshot
        {
            Hosts = [new("h1", 10_000, 16_384), new("h2", 10_000, 16_384), new("h3", 10_000, 16_384)],
            Vms = [Vm("idle", "h1", 12_000, 500), Vm("busy", "h2", 8_000, 8_000), Vm("leaving", "h3", 1_000, 500), Vm("other", "h3", 10_000, 500)],
        };
        var promised = snapshot with { IsMemoryPromised = true };
        var question = new PlaceQuestion { Memory = Bytes.FromGib(1) };
        Assert.Equal(("h1", "h2"), (Answering.Place(snapshot, question).Host, Answering.Place(promised, question).Host));
        var host = new HostQuestion { Host = "h3" };
        string To(ClusterSnapshot asked) => Answering.Maintenance(asked with { Vms = asked.Vms[..3] }, host).Moves.Single().To;
        Assert.Equal(("h1", "h2"), (To(snapshot), To(promised)));
    }

    [Fact]
    public void AnEmptiedHostsMachinesAllGoOrAreStuckForAReason() => Gen.Select(ClusterGen.Any, Gen.Bool, Gen.Int[0, 99]).Sample((snapshot, hasFailed, some) =>
    {
        var host = snapshot.Hosts[some % snapshot.Hosts.Length].Id;
        var plan = hasFailed ? Evacuation.Failure(snapshot, host) : Evacuation.Maintenance(snapshot, host);
        Assert.Equal(
            snapshot.Vms.Where(v => v.Host == host).Select(v => v.Id).Order(),
            plan.Moves.Where(m => m.From == host).Select(m => m.Vm).Concat(plan.Stuck.Select(s => s.Vm)).Order());
        Assert.All(plan.Moves.Where(m => m.From != host), m => Assert.NotNull(m.For));
        Assert.DoesNotContain(plan.Moves, m => m.To == host);
        Assert.All(plan.Stuck, s => Assert.All(s.Reasons, r => Assert.NotEmpty(r.Reason)));
        var at = plan.Moves.GroupBy(m => m.Vm).ToDictionary(g => g.Key, g => g.Last().To);
        var after = new ClusterState(new Cluster(snapshot with { Vms = [.. snapshot.Vms.Select(v => v with { Host = at.GetValueOrDefault(v.Id, v.Host) })] }));
        Assert.All(plan.Moves.Select(m => after.Cluster.HostNumbers[m.To]), h => Assert.True(after.Consumed[h] <= after.Cluster.Hosts[h].MemMb));
        // One that only should hold is in no machine's way.
        Assert.True(hasFailed || BrokenMusts(after) <= BrokenMusts(new ClusterState(new Cluster(snapshot))));
    });

    /// <summary>What a machine that runs would do, a paused one leaves to the others; the question is asked of both, so that there is something to leave.</summary>
    [Fact]
    public void APausedMachineStaysWhateverIsAsked()
    {
        var moved = 0;
        Gen.Select(ClusterGen.Any, Gen.Int[0, 99]).Sample(
            (snapshot, some) =>
            {
                var vm = snapshot.Vms[some % snapshot.Vms.Length];
                var paused = snapshot with { Vms = snapshot.Vms.Replace(vm, vm with { IsPaused = true }) };
                var host = new HostQuestion { Host = vm.Host };
                var elsewhere = new HostQuestion { Host = snapshot.Hosts.First(h => h.Id != vm.Host).Id };
                ImmutableArray<PlannedMove> Moves(ClusterSnapshot of) =>
                [
                    .. Answering.Balance(of, new() { Level = 5 }).Moves,
                    .. Answering.Maintenance(of, host).Moves,
                    .. Answering.Maintenance(of, elsewhere).Moves,
                    .. Answering.Fail(of, elsewhere).Moves,
                ];
                Interlocked.Add(ref moved, Moves(snapshot).Count(m => m.Vm == vm.Id));
                Assert.DoesNotContain(Moves(paused), m => m.Vm == vm.Id);
                var stuck = Answering.Maintenance(paused, host).Stuck.Single(s => s.Vm == vm.Id);
                Assert.All(stuck.Reasons, r => Assert.StartsWith("it is paused", r.Reason, StringComparison.Ordinal));
                Assert.Equal(Answering.Fail(snapshot, host).Moves.AsEnumerable(), Answering.Fail(paused, host).Moves);
                Assert.DoesNotContain(Answering.Power(paused, new()).Steps, s => s.Host == vm.Host);
            },
            iter: 100);
        Assert.True(moved > 100);
    }

    private static int BrokenMusts(ClusterState state) =>
        Enumerable.Range(0, state.Cluster.Rules.Count).Where(r => state.Cluster.Rules[r].IsMust).Sum(r => state.Cluster.Rules.Broken(r, state.At));

    [Fact]
    public void ARuleThatShouldHoldIsKeptWhereThereIsAChoiceAndKeepsNoMachineOnItsHost()
    {
        SnapshotVm[] vms = [new() { Id = "a", Host = "h1", ConsumedMb = 10 }, new() { Id = "b", Host = "h2", ConsumedMb = 10 }];
        var apart = new SnapshotRule("apart", RuleKind.Apart, ["a", "b"], []) { IsMust = false };
        var snapshot = new ClusterSnapshot { Hosts = [new("h1", 1_000, 100), new("h2", 1_000, 100), new("h3", 1_000, 15)], Vms = [.. vms], Rules = [apart] };
        Assert.Equal("h3", Assert.Single(Evacuation.Maintenance(snapshot, "h1").Moves).To);
        Assert.Equal("h2", Assert.Single(Evacuation.Maintenance(snapshot with { Hosts = snapshot.Hosts[..2] }, "h1").Moves).To);
        Assert.Contains("apart", Assert.Single(Assert.Single(Evacuation.Maintenance(snapshot with { Hosts = snapshot.Hosts[..2], Rules = [apart with { IsMust = true }] }, "h1").Stuck).Reasons).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void BalancingAndPowerSavingLeaveAMachineAloneWhoseOwnModeIsOff()
    {
        SnapshotVm[] vms = [.. Enumerable.Range(1, 3).Select(n => new SnapshotVm { Id = $"vm{n}", Host = "h1", CpuDemandMhz = 300, MemMb = 10, ConsumedMb = 10 })];
        var hot = new ClusterSnapshot { Hosts = [new("h1", 1_000, 100), new("h2", 1_000, 100)], Vms = [.. vms] };
        foreach (var mode in new OwnMode?[] { null, OwnMode.Manual, OwnMode.Partial, OwnMode.Full })
            Assert.NotEmpty(Answering.Balance(With(hot, mode), new BalanceQuestion { Level = 5 }).Moves);
        Assert.Empty(Answering.Balance(With(hot, OwnMode.Off), new BalanceQuestion { Level = 5 }).Moves);
        var one = Answering.Balance(hot with { Vms = [vms[0], .. With(hot, OwnMode.Off).Vms.Skip(1)] }, new BalanceQuestion { Level = 5 });
        Assert.Equal("vm1", Assert.Single(one.Moves).Vm);

        var idle = hot with { Vms = [vms[0] with { CpuDemandMhz = 1 }, vms[1] with { CpuDemandMhz = 1, Host = "h2" }] };
        Assert.Single(Answering.Power(With(idle, OwnMode.Manual), new PowerQuestion()).Steps);
        Assert.Empty(Answering.Power(With(idle, OwnMode.Off), new PowerQuestion()).Steps);
    }

    private static ClusterSnapshot With(ClusterSnapshot snapshot, OwnMode? mode) => snapshot with { Vms = [.. snapshot.Vms.Select(v => v with { OwnMode = mode })] };

    [Fact]
    public void WhatFitsIsAllThatFits() => Gen.Select(ClusterGen.Any, Gen.Int[0, 99]).Sample((snapshot, some) =>
    {
        var vm = snapshot.Vms[some % snapshot.Vms.Length];
        if (vm.ConsumedMb < 256)
            return;
        var plan = Growth.Copies(snapshot, vm.Id, Growth.Most);
        Assert.Equal(plan.Fit, plan.PerHost.Sum(c => c.Vms));
        Assert.All(plan.InTheWay, r => Assert.NotEmpty(r.Reason));
        var host = snapshot.Hosts[0];
        Assert.True(Growth.Copies(Growth.WithHosts(snapshot, 1, host.CpuMhz, host.MemMb), vm.Id, Growth.Most).Fit >= plan.Fit);
        Assert.Equal(Math.Min(2, plan.Fit), Growth.Copies(snapshot, vm.Id, 2).Fit);
    });
}
