using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Xunit;

namespace Alveare.Tests.Core.Balancing;

/// <summary>A cluster puts hosts to standby and wakes them, as far as its mode lets it and once it has been so for long enough.</summary>
public sealed class PowerSaverTests
{
    private const double Idle = 5;
    private const double Busy = 180;

    [Fact]
    public async Task OffIsTheDefaultAndThenNothingIsDone()
    {
        await using var cluster = await OpenAsync(mode: null);
        await QuietAsync(cluster, TimeSpan.FromMinutes(41));
        Assert.Empty(cluster.Recommended);
        Assert.Empty(PowerTasks(cluster));
    }

    [Fact]
    public async Task InManualModeItIsRecommendedAfterFortyQuietMinutesAndWaitsToBeApplied()
    {
        await using var cluster = await OpenAsync(PowerSavingMode.Manual);
        await QuietAsync(cluster, TimeSpan.FromMinutes(38));
        Assert.Empty(cluster.Recommended);
        await QuietAsync(cluster, TimeSpan.FromMinutes(3));
        Assert.Equal([RecommendationKind.Standby, RecommendationKind.Standby], cluster.Recommended.Select(r => r.Kind));
        Assert.Empty(PowerTasks(cluster));
        var first = cluster.Recommended[0];
        Assert.Contains("less than 45 %", first.Reason);
        Assert.Equal((null, null), (first.Vm, first.To));

        var applying = await cluster.Site.SubmitAsync(new ApplyRecommendations { Target = cluster.Site.Cluster, Recommendations = [first.Id] });
        await EndAsync(cluster, applying);
        Assert.Equal(HostStandby.In, HostOf(cluster, first.From!.Value).Standby);
        Assert.Equal(("anna", TaskState.Succeeded), (PowerTasks(cluster)[0].User, PowerTasks(cluster)[0].State));
    }

    [Fact]
    public async Task InAutomaticModeHostsSleepOneByOneAndAreWokenWhenTheyAreNeeded()
    {
        await using var cluster = await OpenAsync(PowerSavingMode.Automatic);
        await QuietAsync(cluster, TimeSpan.FromMinutes(41));
        var task = Assert.Single(PowerTasks(cluster));
        Assert.Equal(("host.enter-standby", "power-saving"), (task.Operation, task.User));
        await EndAsync(cluster, task);
        cluster.Tell(TimeSpan.FromMinutes(1), _ => Idle);
        await cluster.BalanceAsync();
        await EndAsync(cluster, PowerTasks(cluster)[0]);
        Assert.Equal(2, cluster.Site.Now.OfType<Host>().Count(h => h.Standby == HostStandby.In));
        Assert.All(cluster.Site.Now.OfType<VirtualMachine>(), v => Assert.Equal(HostStandby.None, HostOf(cluster, v.Host!.Value).Standby));

        // The least number of hosts stays on, however little is asked for.
        await QuietAsync(cluster, TimeSpan.FromMinutes(41));
        Assert.Equal(2, PowerTasks(cluster).Count);

        await BusyAsync(cluster, TimeSpan.FromMinutes(4));
        Assert.Equal(2, PowerTasks(cluster).Count);
        await BusyAsync(cluster, TimeSpan.FromMinutes(8));
        var wakes = PowerTasks(cluster).Where(t => t.Operation == "host.exit-standby").ToList();
        Assert.NotEmpty(wakes);
        Assert.All(wakes, t => Assert.Contains("at most", t.Reason, StringComparison.Ordinal));
        foreach (var wake in wakes)
            Assert.Equal(TaskState.Succeeded, (await EndAsync(cluster, wake)).State);
    }

    [Fact]
    public async Task AHostThatCannotBeWokenIsNeverPutToStandby()
    {
        await using var cluster = await OpenAsync(PowerSavingMode.Automatic, wakeable: 0);
        await QuietAsync(cluster, TimeSpan.FromMinutes(41));
        Assert.Empty(PowerTasks(cluster));
    }

    [Fact]
    public async Task AHostThatCouldNotGoToStandbyIsLeftOnForAnHour()
    {
        await using var cluster = await OpenAsync(PowerSavingMode.Automatic, wakeable: 1);
        cluster.Site.Hosts.Refuse<PowerDownHost>(new HostStaysOn("h3", "its agent was given no command"));
        await QuietAsync(cluster, TimeSpan.FromMinutes(41));
        await EndAsync(cluster, Assert.Single(PowerTasks(cluster)));
        await cluster.Site.UntilAsync(_ => cluster.Site.Engine.Events.Since(0).Any(e => e.Kind == "power.backs-off"), "it backs off");
        await QuietAsync(cluster, TimeSpan.FromMinutes(50));
        Assert.Single(PowerTasks(cluster));
        await QuietAsync(cluster, TimeSpan.FromMinutes(52));
        Assert.Equal(2, PowerTasks(cluster).Count);
    }

    [Fact]
    public async Task AfterAHostThatDidNotWakeTheNextIsWokenInTheNextRound()
    {
        await using var cluster = await OpenAsync(PowerSavingMode.Automatic);
        await QuietAsync(cluster, TimeSpan.FromMinutes(41));
        await EndAsync(cluster, PowerTasks(cluster)[0]);
        cluster.Tell(TimeSpan.FromMinutes(1), _ => Idle);
        await cluster.BalanceAsync();
        await EndAsync(cluster, PowerTasks(cluster)[0]);
        foreach (var host in cluster.Site.Simulation.Hosts)
            cluster.Site.Simulation.Power.Broken.Add(host.Id);
        await cluster.Site.SucceedAsync(new SetPowerSaving { Target = cluster.Site.Cluster, LeastHosts = 2 });
        await QuietAsync(cluster, TimeSpan.FromMinutes(7));
        var first = Assert.Single(PowerTasks(cluster), t => t.Operation == "host.exit-standby");
        Assert.IsType<HostNotWoken>((await EndAsync(cluster, first, TimeSpan.FromSeconds(30))).Fault);
        await QuietAsync(cluster, TimeSpan.FromMinutes(1));
        Assert.Equal(2, PowerTasks(cluster).Where(t => t.Operation == "host.exit-standby").DistinctBy(t => t.Target).Count());
    }

    [Fact]
    public async Task WhatCannotBeSetIsRefused()
    {
        await using var cluster = await OpenAsync(mode: null, wakeable: 0);
        var site = cluster.Site;
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
    }

    /// <summary>Three hosts, the first with eight machines; the last ones can be woken.</summary>
    private static async Task<BalanceSite> OpenAsync(PowerSavingMode? mode, int wakeable = 3)
    {
        var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual);
        var site = cluster.Site;
        for (var number = 4 - wakeable; number <= 3; number++)
            await site.SucceedAsync(new SetHostPower { Target = site.Host(number), WakeOnLan = new WakeOnLan(site.Simulation.Hosts[number - 1].Card) });
        if (mode is not null)
            await site.SucceedAsync(new SetPowerSaving { Target = site.Cluster, Mode = mode });
        return cluster;
    }

    private static Host HostOf(BalanceSite cluster, EntityId id) => cluster.Site.Now.Get<Host>(id);

    /// <summary>Newest first.</summary>
    private static List<TaskRecord> PowerTasks(BalanceSite cluster) => [.. cluster.Site.Engine.Tasks.List().Where(t => t.Operation.EndsWith("-standby", StringComparison.Ordinal))];

    private static Task QuietAsync(BalanceSite cluster, TimeSpan span) => GoOnAsync(cluster, span, Idle);

    private static Task BusyAsync(BalanceSite cluster, TimeSpan span) => GoOnAsync(cluster, span, Busy);

    /// <summary>A round each minute.</summary>
    private static async Task GoOnAsync(BalanceSite cluster, TimeSpan span, double cpuPercent)
    {
        for (var told = TimeSpan.Zero; told < span; told += TimeSpan.FromMinutes(1))
        {
            cluster.Tell(TimeSpan.FromMinutes(1), _ => cpuPercent);
            await cluster.BalanceAsync();
        }
    }

    /// <summary>Pushes the time on until a task has ended.</summary>
    private static async Task<TaskRecord> EndAsync(BalanceSite cluster, TaskRecord task, TimeSpan? step = null)
    {
        var end = cluster.Site.EndAsync(task);
        while (!end.IsCompleted)
        {
            cluster.Time.Push(step ?? TimeSpan.FromSeconds(5));
            await Task.Delay(200);
        }

        return await end;
    }
}
