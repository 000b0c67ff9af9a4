using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Scheduling;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Balancing;

/// <summary>A cluster puts hosts to standby and wakes them, as far as its mode lets it and once it has been so for long enough.</summary>
public sealed class PowerSaverTests
{
    private const double Idle = 5;
    private const double Busy = 180;

    [Fact]
    public void OffIsTheDefaultAndThenNothingIsDone() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, mode: null);
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        Assert.Empty(Recommended(site));
        Assert.Empty(PowerTasks(site));
    });

    [Fact]
    public void InManualModeItIsRecommendedAfterFortyQuietMinutesAndWaitsToBeApplied() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Manual);
        await QuietAsync(site, TimeSpan.FromMinutes(38));
        Assert.Empty(Recommended(site));
        await QuietAsync(site, TimeSpan.FromMinutes(3));
        Assert.Equal([RecommendationKind.Standby, RecommendationKind.Standby], Recommended(site).Select(r => r.Kind));
        Assert.Empty(PowerTasks(site));
        var first = Recommended(site)[0];
        Assert.Contains("less than 45 %", first.Reason);
        Assert.Equal((null, null), (first.Vm, first.To));

        var applying = await site.SubmitAsync(new ApplyRecommendations { Target = site.Cluster, Recommendations = [first.Id] });
        await site.EndAsync(applying);
        Assert.Equal(HostStandby.In, HostOf(site, first.From!.Value).Standby);
        Assert.Equal(("anna", TaskState.Succeeded), (PowerTasks(site)[0].User, PowerTasks(site)[0].State));
    });

    [Fact]
    public void WhatIsRecommendedOutlivesTheCenter() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Manual);
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        var before = Recommended(site).Select(r => (r.Id, r.Kind, r.From, r.MadeAt)).ToList();
        Assert.Equal(2, before.Count);
        await RestartAsync(site);
        // Nobody knows yet what runs, and then it is as before.
        await site.SucceedAsync(new BalanceCluster { Target = site.Cluster });
        Assert.Equal(before, Recommended(site).Select(r => (r.Id, r.Kind, r.From, r.MadeAt)));
        await QuietAsync(site, TimeSpan.FromMinutes(3));
        Assert.Equal(before, Recommended(site).Select(r => (r.Id, r.Kind, r.From, r.MadeAt)));
        await BusyAsync(site, TimeSpan.FromMinutes(6));
        Assert.DoesNotContain(Recommended(site), r => r.Kind == RecommendationKind.Standby);
        // Patience begins anew then, also for the next center.
        await RestartAsync(site);
        await QuietAsync(site, TimeSpan.FromMinutes(30));
        Assert.DoesNotContain(Recommended(site), r => r.Kind == RecommendationKind.Standby);
    });

    [Fact]
    public void ThePatienceThatWasHadOutlivesTheCenter() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        await QuietAsync(site, TimeSpan.FromMinutes(30));
        await RestartAsync(site);
        // A day in which no center ran is no day in which nothing was needed.
        await Task.Delay(TimeSpan.FromMinutes(5), site.Simulation.World.Time);
        await QuietAsync(site, TimeSpan.FromMinutes(3));
        Assert.Empty(PowerTasks(site));
        await QuietAsync(site, TimeSpan.FromMinutes(10));
        Assert.NotEmpty(PowerTasks(site));
    });

    [Fact]
    public void InAutomaticModeHostsSleepOneByOneAndAreWokenWhenTheyAreNeeded() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        var task = Assert.Single(PowerTasks(site));
        Assert.Equal(("host.enter-standby", "power-saving"), (task.Operation, task.User));
        await site.EndAsync(task);
        await QuietAsync(site, TimeSpan.FromMinutes(1));
        await site.EndAsync(PowerTasks(site)[0]);
        Assert.Equal(2, site.Now.OfType<Host>().Count(h => h.Standby == HostStandby.In));
        Assert.All(site.Now.OfType<VirtualMachine>(), v => Assert.Equal(HostStandby.None, HostOf(site, v.Host!.Value).Standby));

        // The least number of hosts stays on, however little is asked for.
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        Assert.Equal(2, PowerTasks(site).Count);

        await BusyAsync(site, TimeSpan.FromMinutes(4));
        Assert.Equal(2, PowerTasks(site).Count);
        await BusyAsync(site, TimeSpan.FromMinutes(8));
        var wakes = PowerTasks(site).Where(t => t.Operation == "host.exit-standby").ToList();
        Assert.NotEmpty(wakes);
        Assert.All(wakes, t => Assert.Contains("at most", t.Reason, StringComparison.Ordinal));
        foreach (var wake in wakes)
            Assert.Equal(TaskState.Succeeded, (await site.EndAsync(wake)).State);
    });

    [Fact]
    public void MachinesThatTheirPoolsLimitHoldsWakeNoHost() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        var pool = (await site.SucceedAsync(new CreatePool { Target = site.Cluster, Name = "batch", CpuLimit = new(600) })).Result!.Value;
        foreach (var vm in site.Now.OfType<VirtualMachine>().ToList())
            await site.SucceedAsync(new MoveToPool { Target = vm.Id, Pool = pool });
        // Nor do they keep one on: by their limit they ask for a hundredth of the cluster's CPU, by themselves for more than half.
        await BusyAsync(site, TimeSpan.FromMinutes(43));
        await site.EndAsync(PowerTasks(site)[0]);
        await BusyAsync(site, TimeSpan.FromMinutes(1));
        await site.EndAsync(PowerTasks(site)[0]);
        Assert.Equal(2, site.Now.OfType<Host>().Count(h => h.Standby == HostStandby.In));
        await BusyAsync(site, TimeSpan.FromMinutes(12));
        Assert.DoesNotContain(PowerTasks(site), t => t.Operation == "host.exit-standby");

        await site.SucceedAsync(new UpdatePool { Target = pool, CpuLimit = new(0) });
        await BusyAsync(site, TimeSpan.FromMinutes(12));
        Assert.Contains(PowerTasks(site), t => t.Operation == "host.exit-standby");
    });

    [Fact]
    public void AHostThatCannotBeWokenIsNeverPutToStandby() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic, wakeable: 0);
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        Assert.Empty(PowerTasks(site));
    });

    [Fact]
    public void AHostThatCouldNotBePoweredDownIsNeverPutToStandby() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        for (var number = 1; number <= 3; number++)
            await site.SayPowerDownProblemAsync(number, "its agent was given no command");
        await QuietAsync(site, TimeSpan.FromMinutes(43));
        Assert.Empty(PowerTasks(site));
    });

    [Fact]
    public void WhatAnOperatorMayNotApplyIsRecommendedOn() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Manual);
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        var before = Recommended(site);
        Assert.Equal(2, before.Count);
        var ended = await site.EndAsync(await site.SubmitAsOperatorAsync(new ApplyRecommendations { Target = site.Cluster }));
        Assert.IsType<NoPermission>(ended.Fault);
        Assert.Equal("0 of 2 done", ended.Step);
        Assert.Equal(before, Recommended(site));

        // The first is gone by then: it is not recommended any more, and the second is done.
        await site.SucceedAsync(new RemoveHost { Target = before[0].From!.Value });
        ended = await site.EndAsync(await site.SubmitAsync(new ApplyRecommendations { Target = site.Cluster }));
        Assert.Equal("1 of 2 done", ended.Step);
        Assert.IsType<NotFound>(ended.Fault);
        Assert.Equal(HostStandby.In, HostOf(site, before[1].From!.Value).Standby);
        Assert.Empty(Recommended(site));
    });

    [Fact]
    public void AHostThatCouldNotGoToStandbyIsLeftOnForAnHourAndThenForTwo() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic, wakeable: 1);
        site.Hosts.On<PowerDownHost>(_ => throw new FaultException(new HostStaysOn("h3", "its agent was given no command")), times: 2);
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        await site.EndAsync(Assert.Single(PowerTasks(site)));
        await site.UntilAsync(_ => site.Engine.Events.Since(0).Any(e => e.Kind == "power.backs-off"), "it backs off");
        await QuietAsync(site, TimeSpan.FromMinutes(50));
        Assert.Single(PowerTasks(site));
        await QuietAsync(site, TimeSpan.FromMinutes(52));
        Assert.Equal(2, PowerTasks(site).Count);
        await site.EndAsync(PowerTasks(site)[0]);
        await site.UntilAsync(_ => site.Engine.Events.Since(0).Any(e => e.Kind == "power.backs-off" && e.Message.Contains("120 minutes", StringComparison.Ordinal)), "it rests for longer");
        await QuietAsync(site, TimeSpan.FromMinutes(90));
        Assert.Equal(2, PowerTasks(site).Count);
    });

    [Fact]
    public void AfterAHostThatDidNotWakeTheNextIsWokenInTheNextRound() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        await site.EndAsync(PowerTasks(site)[0]);
        await QuietAsync(site, TimeSpan.FromMinutes(1));
        await site.EndAsync(PowerTasks(site)[0]);
        foreach (var host in site.Simulation.Hosts)
            site.Simulation.Power.Broken.Add(host.Id);
        await site.SucceedAsync(new SetPowerSaving { Target = site.Cluster, LeastHosts = 2 });
        await QuietAsync(site, TimeSpan.FromMinutes(7));
        var first = Assert.Single(PowerTasks(site), t => t.Operation == "host.exit-standby");
        Assert.IsType<HostNotWoken>((await site.EndAsync(first)).Fault);
        await QuietAsync(site, TimeSpan.FromMinutes(1));
        Assert.Equal(2, PowerTasks(site).Where(t => t.Operation == "host.exit-standby").DistinctBy(t => t.Target).Count());
    });

    [Fact]
    public void ACancelledApplyPutsNoHostToStandby() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Manual);
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "first", Hosts = [site.Host(1)] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "away", Kind = ClusterRuleKind.OffHosts, Vms = [site.Vm("vm1").Id], HostGroup = "first" });
        await QuietAsync(site, TimeSpan.FromMinutes(41));
        var recommended = Recommended(site);
        Assert.Contains(recommended, r => r.Kind == RecommendationKind.Move);
        Assert.Contains(recommended, r => r.Kind == RecommendationKind.Standby);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var applying = await site.SubmitAsync(new ApplyRecommendations { Target = site.Cluster });
        await held.ArrivedAsync();
        site.Cancel(applying);
        held.Release();
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(applying)).State);
        Assert.Empty(PowerTasks(site));
        Assert.Equal(recommended.Select(r => r.Id), Recommended(site).Select(r => r.Id));
    });

    [Fact]
    public void WhatCannotBeSetIsRefused() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, mode: null, wakeable: 0);
        SetPowerSaving[] wrong =
        [
            new() { Target = site.Cluster, Mode = (PowerSavingMode)7 },
            new() { Target = site.Cluster, TargetPercent = 29 },
            new() { Target = site.Cluster, TargetPercent = 90 },
            new() { Target = site.Cluster, BandPercent = 4 },
            new() { Target = site.Cluster, BandPercent = 38 },
            new() { Target = site.Cluster, LeastHosts = 0 },
            new() { Target = site.Cluster, StandbyAfter = TimeSpan.Zero },
            new() { Target = site.Cluster, WakeAfter = TimeSpan.FromDays(2) },
        ];
        foreach (var operation in wrong)
            await site.FailAsync<InvalidArgument>(operation);
        Assert.Equal(PowerSavingSettings.Default, site.Now.Get<Cluster>(site.Cluster).PowerSaving);
        await site.SucceedAsync(new SetPowerSaving { Target = site.Cluster, TargetPercent = 50, BandPercent = 40, KeepsSpare = true });
        await site.SucceedAsync(new SetPowerSaving { Target = site.Cluster, LeastHosts = 2 });
        Assert.Equal(
            new PowerSavingSettings { TargetPercent = 50, BandPercent = 40, KeepsSpare = true, LeastHosts = 2 }, site.Now.Get<Cluster>(site.Cluster).PowerSaving);
    });

    /// <summary>Three hosts, the first with eight machines; the last ones can be woken. The loop itself sleeps.</summary>
    private static async Task<MachineSite> OpenAsync(Scheduler scheduler, PowerSavingMode? mode, int wakeable = 3)
    {
        var site = await MachineSite.OpenAsync(scheduler, hosts: 3);
        await site.SucceedAsync(new SetBalancing { Target = site.Cluster, Mode = BalanceMode.Manual, Interval = BalanceSettings.MaxInterval });
        for (var n = 1; n <= 8; n++)
            await site.CreateAsync($"vm{n}", host: 1, on: true);
        for (var number = 4 - wakeable; number <= 3; number++)
            await site.SucceedAsync(new SetHostPower { Target = site.Host(number), WakeOnLan = new WakeOnLan(site.Simulation.Hosts[number - 1].Card) });
        if (mode is not null)
            await site.SucceedAsync(new SetPowerSaving { Target = site.Cluster, Mode = mode });
        return site;
    }

    /// <summary>The center is killed once what it wrote last is on disk, for which nobody waits.</summary>
    private static async Task RestartAsync(MachineSite site)
    {
        await Task.Delay(TimeSpan.FromSeconds(1), site.Simulation.World.Time);
        await site.KillAndRestartAsync();
    }

    private static Host HostOf(MachineSite site, EntityId id) => site.Now.Get<Host>(id);

    private static IReadOnlyList<Recommendation> Recommended(MachineSite site) => site.Engine.Balancing.RecommendationsOf(site.Cluster);

    /// <summary>Newest first.</summary>
    private static List<TaskRecord> PowerTasks(MachineSite site) => [.. site.Engine.Tasks.List().Where(t => t.Operation.EndsWith("-standby", StringComparison.Ordinal))];

    private static Task QuietAsync(MachineSite site, TimeSpan span) => GoOnAsync(site, span, Idle);

    private static Task BusyAsync(MachineSite site, TimeSpan span) => GoOnAsync(site, span, Busy);

    /// <summary>Statistics each 20 s, and a round each minute.</summary>
    private static async Task GoOnAsync(MachineSite site, TimeSpan span, double cpuPercent)
    {
        var world = site.Simulation.World;
        world.CpuDemand = (_, _) => cpuPercent;
        for (var passed = TimeSpan.Zero; passed < span; passed += TimeSpan.FromMinutes(1))
        {
            for (var sample = 0; sample < 3; sample++)
            {
                await Task.Delay(TimeSpan.FromSeconds(20), world.Time);
                foreach (var host in site.Simulation.Hosts)
                    host.Agent?.RaiseStatistics();
            }

            await site.SucceedAsync(new BalanceCluster { Target = site.Cluster });
        }
    }
}
