using Alveare.Core.Balancing;
using Alveare.Model.Clusters;
using Alveare.Model.Hosts;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Scheduling;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Balancing;

/// <summary>A cluster goes on to be balanced while moves of an earlier round are under way, or wait.</summary>
public sealed class UnendedMovesTests
{
    private const double Busy = 150;

    [Fact]
    public void AMoveThatHangsHoldsUpNoOtherRound() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, BalanceMode.Full);
        var held = site.Hosts.Hold<PrepareIncoming>();
        await PassAsync(site, TimeSpan.FromMinutes(30));
        var first = await site.SubmitAsync(new BalanceCluster { Target = site.Cluster });
        await held.ArrivedAsync();
        await PassAsync(site, TimeSpan.FromMinutes(10));
        var hanging = Assert.Single(Migrations(site), t => !t.HasEnded);
        var made = Migrations(site).Count;
        Assert.InRange(made, 4, 6);
        Assert.False(site.Engine.Tasks.Get(first.Id).HasEnded);

        // It counts where it will be, and stays: with it there all is even.
        var reading = site.Engine.Balancing.Read(site.Cluster);
        Assert.Contains(hanging.TargetName, reading.Stays);
        Assert.NotEqual("h1", reading.Snapshot.Vms.Single(v => v.Id == hanging.TargetName).Host);
        await site.SucceedAsync(new BalanceCluster { Target = site.Cluster });
        Assert.Equal(made, Migrations(site).Count);

        // A rule that is broken now is mended beside it.
        var bound = site.Now.MachinesOn(hanging.Move!.Target).First();
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "first", Hosts = [site.Host(1)] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "bound", Kind = ClusterRuleKind.OnHosts, Vms = [bound.Id], HostGroup = "first" });
        await PassAsync(site, TimeSpan.FromMinutes(1));
        await site.SucceedAsync(new BalanceCluster { Target = site.Cluster });
        Assert.Equal(site.Host(1), site.Vm(bound.Id).Host);

        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(first)).State);
        Assert.Equal(hanging.Move.Target, site.Vm(hanging.Target).Host);

        // It has come just now, and rests, though it is idle and all others beside it are not.
        site.Simulation.World.CpuDemand = (vm, _) => vm == hanging.Target ? 1 : site.Vm(vm).Host == hanging.Move.Target ? 200 : 1;
        await PassAsync(site, TimeSpan.FromMinutes(4));
        await site.SucceedAsync(new BalanceCluster { Target = site.Cluster });
        Assert.Single(Migrations(site), t => t.Target == hanging.Target);
    });

    [Fact]
    public void WhatFindsNoPlaceIsCalledOffAndPlannedAnewWithinTheSameBudgets() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, BalanceMode.Full);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        site.Hosts.On<PrepareIncoming>(
            async carryOut =>
            {
                await gate.Task;
                return await carryOut();
            },
            times: int.MaxValue);
        await PassAsync(site, TimeSpan.FromMinutes(30));
        await site.SucceedAsync(new SetBalancing { Target = site.Cluster, Interval = TimeSpan.FromMinutes(1) });
        for (var minute = 0; minute < 13; minute++)
        {
            await PassAsync(site, TimeSpan.FromMinutes(1));
            Assert.InRange(Migrations(site).Count, 0, MoveRunner.MovesPerHost);
        }

        // What waits beside the two that hang is called off after five minutes, planned anew by the next round, and so on.
        Assert.Equal(MoveRunner.MovesPerHost, Migrations(site).Count(t => !t.HasEnded));
        Assert.Equal(3, site.Engine.Events.Since(0).Count(e => e.Kind == "balance.begins"));
        gate.SetResult();
        await PassAsync(site, TimeSpan.FromMinutes(5));
        Assert.All([1, 2, 3], number => Assert.InRange(site.Now.MachinesOn(site.Host(number)).Count(), 2, 3));
        Assert.All(Migrations(site), t => Assert.Equal(TaskState.Succeeded, t.State));
        Assert.Equal(Migrations(site).Count, Migrations(site).DistinctBy(t => t.Target).Count());
    });

    [Fact]
    public void WhatIsAppliedIsNotRecommendedAgainWhileItWaits() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, BalanceMode.Manual);
        await PassAsync(site, TimeSpan.FromMinutes(30));
        await site.SucceedAsync(new BalanceCluster { Target = site.Cluster });
        var recommended = site.Engine.Balancing.RecommendationsOf(site.Cluster);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var second = site.Hosts.Hold<PrepareIncoming>();
        var applying = await site.SubmitAsync(new ApplyRecommendations { Target = site.Cluster });
        await held.ArrivedAsync();
        await second.ArrivedAsync();

        // As long as it takes: it is not called off, and the cluster is seen to meanwhile.
        await PassAsync(site, TimeSpan.FromMinutes(20));
        await site.SucceedAsync(new BalanceCluster { Target = site.Cluster });
        Assert.Empty(site.Engine.Balancing.RecommendationsOf(site.Cluster));
        Assert.Equal(MoveRunner.MovesPerHost, Migrations(site).Count);
        held.Release();
        second.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(applying)).State);
        Assert.All(recommended, r => Assert.Equal(r.To, site.Vm(r.Vm!.Value).Host));
    });

    [Theory]
    [InlineData(BalanceMode.Manual)]
    [InlineData(BalanceMode.Full)]
    public void WhoCancelsATaskOfBalancingCancelsItsMoves(BalanceMode mode) => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, mode);
        await PassAsync(site, TimeSpan.FromMinutes(30));
        if (mode == BalanceMode.Manual)
            await site.SucceedAsync(new BalanceCluster { Target = site.Cluster });
        var recommended = site.Engine.Balancing.RecommendationsOf(site.Cluster);
        HeldCommand[] held = [site.Hosts.Hold<PrepareIncoming>(), site.Hosts.Hold<PrepareIncoming>()];
        var task = await site.SubmitAsync(mode == BalanceMode.Manual ? new ApplyRecommendations { Target = site.Cluster } : new BalanceCluster { Target = site.Cluster });
        foreach (var command in held)
            await command.ArrivedAsync();
        site.Cancel(task);
        foreach (var command in held)
            command.Release();
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(task)).State);
        Assert.Equal([TaskState.Cancelled, TaskState.Cancelled], Migrations(site).Select(t => t.State));

        // All could still be done.
        Assert.Equal(recommended.Select(r => r.Id), site.Engine.Balancing.RecommendationsOf(site.Cluster).Select(r => r.Id));
        Assert.Equal(8, site.Now.MachinesOn(site.Host(1)).Count());
    });

    /// <summary>Three hosts, the first with eight machines. The loop itself sleeps.</summary>
    private static async Task<MachineSite> OpenAsync(Scheduler scheduler, BalanceMode mode)
    {
        var site = await MachineSite.OpenAsync(scheduler, hosts: 3);
        await site.SucceedAsync(new SetBalancing { Target = site.Cluster, Mode = mode, Interval = BalanceSettings.MaxInterval });
        for (var n = 1; n <= 8; n++)
            await site.CreateAsync($"vm{n}", host: 1, on: true);
        site.Simulation.World.CpuDemand = (_, _) => Busy;
        return site;
    }

    private static List<TaskRecord> Migrations(MachineSite site) => [.. site.Engine.Tasks.List().Where(t => t.Operation == "vm.migrate")];

    /// <summary>Statistics each 20 s.</summary>
    private static async Task PassAsync(MachineSite site, TimeSpan span)
    {
        var world = site.Simulation.World;
        for (var passed = TimeSpan.Zero; passed < span; passed += TimeSpan.FromSeconds(20))
        {
            await Task.Delay(TimeSpan.FromSeconds(20), world.Time);
            foreach (var host in site.Simulation.Hosts)
                host.Agent?.RaiseStatistics();
        }
    }
}
