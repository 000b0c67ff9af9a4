using Alveare.Core.Inventory;
using Alveare.Core.Maintenance;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Migration;
using Alveare.Tests.Core.Balancing;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Maintenance;

/// <summary>A host that is emptied for work on it.</summary>
public sealed class MaintenanceTests
{
    [Fact]
    public async Task ItsMachinesLeaveByRuleAndNoneComesUntilItIsOver()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        EntityId[] vms = [await site.CreateAsync("a", host: 1, on: true), await site.CreateAsync("b", host: 2, on: true), await site.CreateAsync("off", host: 1)];
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "apart", Kind = ClusterRuleKind.Apart, Vms = [vms[0], vms[1]] });
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(1) });
        Assert.Equal(HostMaintenance.In, site.Now.Get<Host>(site.Host(1)).Maintenance);
        Assert.Empty(site.Now.MachinesOn(site.Host(1)));
        Assert.Equal((site.Host(3), PowerState.On), (site.Vm(vms[0]).Host!.Value, site.Vm(vms[0]).Power));

        var refused = await site.FailAsync<InvalidState>(new MigrateVm { Target = vms[0], Host = site.Host(1) });
        Assert.Contains("maintenance", refused.Actual);
        await site.FailAsync<InvalidState>(new EnterMaintenance { Target = site.Host(1) });
        await site.SucceedAsync(new ExitMaintenance { Target = site.Host(1) });
        await site.FailAsync<InvalidState>(new ExitMaintenance { Target = site.Host(1) });
        await site.SucceedAsync(new MigrateVm { Target = vms[0], Host = site.Host(1) });
    }

    [Fact]
    public async Task AMachineThatCannotLeaveIsNamedAndTheHostRunsMachinesAgain()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, memory: Bytes.FromGib(4));
        EntityId big = await site.CreateAsync("big", host: 2, on: true, memory: Bytes.FromGib(3)), small = await site.CreateAsync("small", host: 1, on: true, memory: Bytes.FromGib(2));
        var fault = await site.FailAsync<HostNotEmptied>(new EnterMaintenance { Target = site.Host(1) });
        Assert.Contains("'small' stays", Assert.Single(fault.Staying));
        Assert.Equal((HostMaintenance.None, site.Host(1), site.Host(2)), (site.Now.Get<Host>(site.Host(1)).Maintenance, site.Vm(small).Host!.Value, site.Vm(big).Host!.Value));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AMachineThatIsOnItsWayToTheHostComesAndLeavesAgain(bool isRunning)
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        var id = await site.CreateAsync("a", host: 1, on: isRunning);
        var held = isRunning ? site.Hosts.Hold<PrepareIncoming>() : site.Hosts.Hold<RegisterMachine>();
        var coming = await site.SubmitAsync(isRunning ? new MigrateVm { Target = id, Host = site.Host(2) } : new PowerOn { Target = id, Host = site.Host(2) });
        await held.ArrivedAsync();
        var entering = await site.SubmitAsync(new EnterMaintenance { Target = site.Host(2) });
        await site.UntilTaskAsync(entering, t => t.Step?.Contains("on their way", StringComparison.Ordinal) == true, "it waits");
        held.Release();
        Assert.Equal((TaskState.Succeeded, site.Host(2)), ((await site.EndAsync(coming)).State, site.Engine.Tasks.Get(coming.Id).Result!.Value));
        var entered = await site.EndAsync(entering);
        Assert.Equal((TaskState.Succeeded, null), (entered.State, entered.Fault?.Message));
        Assert.Empty(site.Now.MachinesOn(site.Host(2)));
        Assert.Empty(site.Simulation.Hosts[1].Living);
        Assert.Equal(PowerState.On, site.Vm(id).Power);
    }

    [Fact]
    public async Task AWaitForAMachineOnItsWayIsCancelled()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        var id = await site.CreateAsync("a", host: 1);
        var held = site.Hosts.Hold<RegisterMachine>();
        var coming = await site.SubmitAsync(new PowerOn { Target = id, Host = site.Host(2) });
        await held.ArrivedAsync();
        var entering = await site.SubmitAsync(new EnterMaintenance { Target = site.Host(2) });
        await site.UntilTaskAsync(entering, t => t.Step?.Contains("on their way", StringComparison.Ordinal) == true, "it waits");
        site.Cancel(entering);
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(entering)).State);
        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(coming)).State);
        Assert.Equal((HostMaintenance.None, site.Host(2)), (site.Now.Get<Host>(site.Host(2)).Maintenance, site.Vm(id).Host!.Value));
    }

    [Fact]
    public async Task AfterItsEndBalancingFillsTheHostAgain()
    {
        var aWhile = TimeSpan.FromMinutes(30);
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Full);
        cluster.Tell(aWhile, _ => 150);
        await cluster.BalanceAsync();
        Assert.InRange(cluster.CountOn(2), 2, 3);
        await cluster.Site.SucceedAsync(new EnterMaintenance { Target = cluster.Site.Host(2) });
        cluster.Tell(aWhile, _ => 150);
        await cluster.BalanceAsync();
        Assert.Equal(0, cluster.CountOn(2));

        await cluster.Site.SucceedAsync(new ExitMaintenance { Target = cluster.Site.Host(2) });
        cluster.Tell(aWhile, _ => 150);
        await cluster.BalanceAsync();
        Assert.All([1, 2, 3], host => Assert.InRange(cluster.CountOn(host), 2, 3));
        Assert.All(cluster.Migrations, task => Assert.Equal(TaskState.Succeeded, task.State));
    }

    [Fact]
    public async Task CancellingLetsTheHostRunMachinesAgain()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        await site.CreateAsync("a", host: 1, on: true);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var entering = await site.SubmitAsync(new EnterMaintenance { Target = site.Host(1) });
        await held.ArrivedAsync();
        Assert.Equal(HostMaintenance.Entering, site.Now.Get<Host>(site.Host(1)).Maintenance);
        site.Cancel(entering);
        held.Release();
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(entering)).State);
        Assert.Equal(HostMaintenance.None, site.Now.Get<Host>(site.Host(1)).Maintenance);
        Assert.Equal(PowerState.On, site.Vm("a").Power);
    }

    [Fact]
    public async Task AClusterIsTakenThroughMaintenanceHostByHost()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        EntityId[] vms = [await site.CreateAsync("a", host: 1, on: true), await site.CreateAsync("b", host: 2, on: true), await site.CreateAsync("c", host: 3, on: true)];
        await site.FailAsync<InvalidArgument>(new RollingMaintenance { Target = site.Cluster, AtOnce = 3 });
        await site.FailAsync<InvalidArgument>(new RollingMaintenance { Target = site.Cluster, AtOnce = 0 });
        await site.FailAsync<InvalidArgument>(new RollingMaintenance { Target = site.Cluster, Hold = TimeSpan.FromDays(2) });
        var other = (await site.SucceedAsync(new CreateCluster { Target = site.Datacenter, Name = "other" })).Result!.Value;
        Assert.Equal(
            "'other' is a cluster with 0 hosts that can run machines; this operation needs it to be one with two or more, so that others take the machines of each.",
            (await site.FailAsync<InvalidState>(new RollingMaintenance { Target = other })).Message);
        await site.SucceedAsync(new RollingMaintenance { Target = site.Cluster, AtOnce = 2 });
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal(HostMaintenance.None, h.Maintenance));
        Assert.All(vms, v => Assert.Equal(PowerState.On, site.Vm(v).Power));
        Assert.Equal(3, site.Engine.Tasks.List().Where(t => t is { Operation: "host.enter-maintenance", State: TaskState.Succeeded }).DistinctBy(t => t.Target).Count());
    }

    [Fact]
    public async Task ARollThatAHostCannotFollowStopsThereAndLeavesNoHostInMaintenance()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, memory: Bytes.FromGib(4));
        await site.CreateAsync("big", host: 1, on: true, memory: Bytes.FromGib(3));
        await site.CreateAsync("other", host: 2, on: true, memory: Bytes.FromGib(3));
        await site.FailAsync<HostNotEmptied>(new RollingMaintenance { Target = site.Cluster });
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal(HostMaintenance.None, h.Maintenance));
    }

    [Fact]
    public async Task ThePlanWarnsOfPromisesAndOfCpuThatTheOtherHostsLack()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual, hosts: 2);
        var site = cluster.Site;
        cluster.Tell(TimeSpan.FromMinutes(10), _ => 10);
        Assert.Empty(site.Engine.Maintenance.Plan(site.Host(1)).Warnings);

        var has = site.Now.Get<Host>(site.Host(2)).Facts!;
        cluster.Tell(TimeSpan.FromMinutes(10), _ => 1.5 * 100 * has.CpuCapacity.Value / has.CpuClock.Value / 8);
        var promised = new Megahertz(has.CpuCapacity.Value * 3 / 2);
        await site.SucceedAsync(new CreatePool { Target = site.Cluster, Name = "gold", CpuReservation = promised });
        Assert.Equal(
            ["host 'h2' is asked for 150 % of its CPU", $"machines and resource pools of cluster '{site.Now.Get<Cluster>(site.Cluster).Name}' are promised {promised} of CPU, and its hosts have {has.CpuCapacity}"],
            site.Engine.Maintenance.Plan(site.Host(1)).Warnings);
    }

    [Fact]
    public async Task ThePlanCountsTheCpuThatMachinesWaitForUpToTheirLimits()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual, hosts: 2);
        var site = cluster.Site;
        var has = site.Now.Get<Host>(site.Host(2)).Facts!;
        // Each has half of what it asks for: together they ask for half as much again as the other host has.
        var asked = 1.5 * has.CpuCapacity.Value / has.CpuClock.Value / 8;
        cluster.Tell(TimeSpan.FromMinutes(10), _ => 100 * asked / 2, readyPercent: v => 100 * asked / 2 / v.Spec!.Cpus);
        Assert.Equal(["host 'h2' is asked for 150 % of its CPU"], site.Engine.Maintenance.Plan(site.Host(1)).Warnings);

        // What a limit holds waits on whatever host.
        foreach (var vm in site.Now.OfType<VirtualMachine>().ToList())
            await site.SucceedAsync(new SetResources { Target = vm.Id, CpuLimit = new(has.CpuCapacity.Value / 10) });
        Assert.Empty(site.Engine.Maintenance.Plan(site.Host(1)).Warnings);
    }

    [Fact]
    public async Task ThePlanCountsNoMoreOfAPoolsMachinesThanItsLimit()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual, hosts: 2);
        var site = cluster.Site;
        cluster.Tell(TimeSpan.FromMinutes(10), _ => 50, readyPercent: _ => 100);
        Assert.Single(site.Engine.Maintenance.Plan(site.Host(1)).Warnings);
        var pool = (await site.SucceedAsync(new CreatePool { Target = site.Cluster, Name = "batch", CpuLimit = new(9600) })).Result!.Value;
        foreach (var vm in site.Now.OfType<VirtualMachine>().ToList())
            await site.SucceedAsync(new MoveToPool { Target = vm.Id, Pool = pool });
        Assert.Empty(site.Engine.Maintenance.Plan(site.Host(1)).Warnings);
    }

    [Fact]
    public async Task MachinesGoWhereLessIsAskedForNotWhereLessIsUsed()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual, machines: 0);
        var site = cluster.Site;
        EntityId leaving = await site.CreateAsync("leaving", host: 1, on: true), waits = await site.CreateAsync("waits", host: 2, on: true), works = await site.CreateAsync("works", host: 3, on: true);
        cluster.Tell(TimeSpan.FromMinutes(10), v => v.Id == works ? 120 : 100, readyPercent: v => v.Id == waits ? 50 : 0);
        Assert.Equal("h3", Assert.Single(site.Engine.Maintenance.Plan(site.Host(1)).Moves).ToName);
        await site.SucceedAsync(new MigrateVm { Target = leaving });
        Assert.Equal(site.Host(3), site.Vm(leaving).Host);
    }

    [Fact]
    public async Task ARollPassesOverAHostThatHasGoneToStandbyMeanwhile()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        await site.CreateAsync("a", host: 1, on: true);
        await site.CreateAsync("b", host: 3, on: true);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var rolling = await site.SubmitAsync(new RollingMaintenance { Target = site.Cluster });
        await held.ArrivedAsync();
        await site.Engine.Inventory.ApplyAsync(now => InventoryEdit.Of(now.Get<Host>(site.Host(3)) with { Standby = HostStandby.In }));
        held.Release();
        var ended = await site.EndAsync(rolling);
        Assert.Equal((TaskState.Succeeded, "2 of 3 hosts done; passed over: h3 (in standby)"), (ended.State, ended.Step));
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal(HostMaintenance.None, h.Maintenance));
    }

    [Fact]
    public async Task ARollThatIsCancelledLetsItsHostsRunMachinesAgain()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        var rolling = await site.SubmitAsync(new RollingMaintenance { Target = site.Cluster, Hold = TimeSpan.FromHours(1) });
        await site.UntilAsync(now => now.OfType<Host>().Any(h => h.Maintenance == HostMaintenance.In), "a host is in maintenance");
        site.Cancel(rolling);
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(rolling)).State);
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal(HostMaintenance.None, h.Maintenance));
    }

    [Fact]
    public void ARollWaitsForAHostThatIsStartedAnewAndForNoOther() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler, hosts: 2);
        var began = scheduler.Time.GetUtcNow();
        await site.SucceedAsync(new RollingMaintenance { Target = site.Cluster, Hold = Hold });
        Assert.InRange(scheduler.Time.GetUtcNow() - began, 2 * Hold, (2 * Hold) + TimeSpan.FromSeconds(10));

        var rolling = await RebootingAsync(site);
        await site.UntilTaskAsync(rolling, t => t.Step == "waiting for h1 to come back", "it waits");
        await Task.Delay(RollingMaintenanceOperations.ReturnPatience / 2, scheduler.Time);
        Assert.Equal([HostMaintenance.In, HostMaintenance.None], Maintenances(site));
        site.Simulation.Hosts[0].Boot();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(rolling)).State);
        Assert.Equal([HostMaintenance.None, HostMaintenance.None], Maintenances(site));
        Assert.Equal(4, site.Engine.Events.Since(0).Count(e => e.Kind == "host.exited-maintenance"));
    });

    [Fact]
    public void ARollEndsAtAHostThatDoesNotComeBackAndTouchesNoLaterOne() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler, hosts: 4);
        var ended = await site.EndAsync(await RebootingAsync(site, atOnce: 2));
        var fault = Assert.IsType<HostsLeftInMaintenance>(ended.Fault);
        Assert.Equal("'h1': it does not answer", Assert.Single(fault.Hosts));
        Assert.Equal([HostMaintenance.In, HostMaintenance.None, HostMaintenance.None, HostMaintenance.None], Maintenances(site));
        Assert.Equal(2, site.Engine.Tasks.List().Count(t => t.Operation == "host.enter-maintenance"));
    });

    [Fact]
    public void ARollThatIsCancelledWhileItWaitsForAHostLeavesOnlyThatInMaintenance() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler, hosts: 3);
        var rolling = await RebootingAsync(site, atOnce: 2);
        await site.UntilTaskAsync(rolling, t => t.Step == "waiting for h1 to come back", "it waits");
        var began = scheduler.Time.GetUtcNow();
        site.Cancel(rolling);
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(rolling)).State);
        Assert.True(scheduler.Time.GetUtcNow() - began < TimeSpan.FromMinutes(1));
        Assert.Equal([HostMaintenance.In, HostMaintenance.None, HostMaintenance.None], Maintenances(site));
        Assert.Contains(site.Engine.Events.Since(0), e => e.Kind == "cluster.left-in-maintenance" && e.Message.Contains("'h1'", StringComparison.Ordinal));
    });

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void ACenterThatIsKilledWhileARollWaitsForAHostGoesOnWaiting(bool comesBack, bool isCancelled) => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler, hosts: 3);
        var rolling = await RebootingAsync(site, atOnce: 2);
        await site.UntilTaskAsync(rolling, t => t.Step == "waiting for h1 to come back", "it waits");
        await site.KillAndRestartAsync();
        await Task.Delay(RollingMaintenanceOperations.ReturnPatience / 2, scheduler.Time);
        Assert.False(site.Engine.Tasks.Get(rolling.Id).HasEnded);
        Assert.Equal(HostMaintenance.In, site.Now.Get<Host>(site.Host(1)).Maintenance);
        if (comesBack)
            site.Simulation.Hosts[0].Boot();
        if (isCancelled)
            site.Cancel(rolling);
        var ended = await site.EndAsync(rolling);
        Assert.Equal(
            isCancelled ? null : comesBack ? typeof(Interrupted) : typeof(HostsLeftInMaintenance),
            ended.Fault?.GetType());
        Assert.Equal(isCancelled ? TaskState.Cancelled : TaskState.Failed, ended.State);
        Assert.Equal([comesBack ? HostMaintenance.None : HostMaintenance.In, HostMaintenance.None, HostMaintenance.None], Maintenances(site));
    });

    [Fact]
    public void ARollPutsNoHostIntoMaintenanceThatIsAwayAndPassesOverOneThatWasDisconnected() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler, hosts: 3);
        await site.SucceedAsync(new DisconnectHost { Target = site.Host(1) });
        Assert.Equal("2 of 3 hosts done; passed over: h1 (an administrator disconnected it)", (await site.SucceedAsync(new RollingMaintenance { Target = site.Cluster })).Step);

        site.Simulation.Hosts[1].Crash();
        await site.UntilAsync(now => now.Get<Host>(site.Host(2)).Connection == HostConnection.NotResponding, "the host is away");
        Assert.Equal("h2", (await site.FailAsync<HostNotConnected>(new RollingMaintenance { Target = site.Cluster })).HostName);
        Assert.All(Maintenances(site), m => Assert.Equal(HostMaintenance.None, m));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task HostsThatGoIntoMaintenanceTogetherTakeNoMachinesOfEachOther(bool isKilled)
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        var order = site.Now.OfType<Host>().Select(h => h.Id).Order().ToList();
        int NumberOf(EntityId host) => 1 + site.Simulation.Hosts.Select(h => h.Id).ToList().IndexOf(host);
        var leaving = await site.CreateAsync("a", NumberOf(order[0]), on: true);
        var off = await site.CreateAsync("off", NumberOf(order[1]));
        await site.CreateAsync("b", NumberOf(order[2]), on: true);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var rolling = await site.SubmitAsync(new RollingMaintenance { Target = site.Cluster, AtOnce = 2, Hold = TimeSpan.FromHours(1) });
        await held.ArrivedAsync();
        Assert.Equal([HostMaintenance.Entering, HostMaintenance.Next, HostMaintenance.None], order.Select(h => site.Now.Get<Host>(h).Maintenance));
        Assert.Equal("next to be put into maintenance", (await site.FailAsync<InvalidState>(new PowerOn { Target = off, Host = order[1] })).Actual);
        if (isKilled)
            await site.KillAndRestartAsync();
        held.Release();
        if (!isKilled)
        {
            await site.UntilAsync(now => now.OfType<Host>().Count(h => h.Maintenance == HostMaintenance.In) == 2, "both are in maintenance");
            Assert.Equal(order[2], site.Vm(leaving).Host);
            Assert.Single(site.Engine.Tasks.List(), t => t.Operation == "vm.migrate" && t.Target == leaving);
            site.Cancel(rolling);
        }

        Assert.Equal(isKilled ? TaskState.Failed : TaskState.Cancelled, (await site.EndAsync(rolling)).State);
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal(HostMaintenance.None, h.Maintenance));
    }

    [Fact]
    public async Task HostsThatWereNextInARollThatEndsRunMachinesAgain()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3, memory: Bytes.FromGib(4));
        for (var number = 1; number <= 3; number++)
            await site.CreateAsync($"big{number}", number, on: true, memory: Bytes.FromGib(3));
        await site.FailAsync<HostNotEmptied>(new RollingMaintenance { Target = site.Cluster, AtOnce = 2 });
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal(HostMaintenance.None, h.Maintenance));
    }

    [Fact]
    public async Task ARollOneOfWhoseStepsIsCancelledEndsForThatReason()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        await site.CreateAsync("a", host: 1, on: true);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var rolling = await site.SubmitAsync(new RollingMaintenance { Target = site.Cluster });
        await held.ArrivedAsync();
        var step = site.Engine.Tasks.List().First(t => t.Operation == "host.enter-maintenance" && !t.HasEnded);
        site.Cancel(step);
        held.Release();
        var ended = await site.EndAsync(rolling);
        Assert.Contains($"{step.Id}, which was to put host 'h1' into maintenance, was cancelled", Assert.IsType<Interrupted>(ended.Fault).Message, StringComparison.Ordinal);
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal(HostMaintenance.None, h.Maintenance));
    }

    [Fact]
    public async Task ACenterThatIsKilledMeanwhileFindsAHostThatRunsMachines()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        await site.CreateAsync("a", host: 1, on: true);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var entering = await site.SubmitAsync(new EnterMaintenance { Target = site.Host(1) });
        await held.ArrivedAsync();
        await site.KillAndRestartAsync();
        held.Release();
        Assert.IsType<Interrupted>((await site.EndAsync(entering)).Fault);
        Assert.Equal(HostMaintenance.None, site.Now.Get<Host>(site.Host(1)).Maintenance);
    }

    [Fact]
    public async Task MachinesThatMustBeTogetherLeaveTogether()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3, memory: Bytes.FromGib(4));
        EntityId[] vms = [await site.CreateAsync("a", host: 1, on: true, memory: Bytes.FromGib(1)), await site.CreateAsync("b", host: 1, on: true, memory: Bytes.FromGib(1))];
        // The emptier of the others has room for one of them only.
        await site.CreateAsync("big", host: 2, on: true, memory: Bytes.FromGib(3));
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "pair", Kind = ClusterRuleKind.Together, Vms = [.. vms] });
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(1) });
        Assert.All(vms, v => Assert.Equal((site.Host(3), PowerState.On), (site.Vm(v).Host!.Value, site.Vm(v).Power)));
    }

    [Fact]
    public async Task AGroupForWhichNoHostHasRoomStaysWhole()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, memory: Bytes.FromGib(4));
        EntityId[] vms = [await site.CreateAsync("a", host: 1, on: true, memory: Bytes.FromGib(1)), await site.CreateAsync("b", host: 1, on: true, memory: Bytes.FromGib(1))];
        await site.CreateAsync("big", host: 2, on: true, memory: Bytes.FromGib(3));
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "pair", Kind = ClusterRuleKind.Together, Vms = [.. vms] });
        var fault = await site.FailAsync<HostNotEmptied>(new EnterMaintenance { Target = site.Host(1) });
        Assert.Equal(["'a' stays", "'b' stays"], fault.Staying.Select(s => s[..9]).Order());
        Assert.All(vms, v => Assert.Equal(site.Host(1), site.Vm(v).Host));
    }

    [Fact]
    public async Task ARollEndsTheMaintenanceOfTheOtherHostsWhenOneIsOutOfItAlready()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        var rolling = await site.SubmitAsync(new RollingMaintenance { Target = site.Cluster, AtOnce = 2, Hold = TimeSpan.FromHours(1) });
        await site.UntilAsync(now => now.OfType<Host>().Count(h => h.Maintenance == HostMaintenance.In) == 2, "two hosts are in maintenance");
        await site.SucceedAsync(new ExitMaintenance { Target = site.Now.OfType<Host>().Where(h => h.Maintenance == HostMaintenance.In).Min(h => h.Id) });
        site.Cancel(rolling);
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(rolling)).State);
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal(HostMaintenance.None, h.Maintenance));
    }

    [Fact]
    public async Task ACenterThatIsKilledWhileARollHoldsLetsThoseHostsRunMachinesAndNoOthers()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(3) });
        var rolling = await site.SubmitAsync(new RollingMaintenance { Target = site.Cluster, Hold = TimeSpan.FromHours(1) });
        await site.UntilAsync(now => now.OfType<Host>().Count(h => h.Maintenance == HostMaintenance.In) == 2, "one more host is in maintenance");
        await site.KillAndRestartAsync();
        Assert.IsType<Interrupted>((await site.EndAsync(rolling)).Fault);
        Assert.Equal(
            [HostMaintenance.None, HostMaintenance.None, HostMaintenance.In],
            Enumerable.Range(1, 3).Select(n => site.Now.Get<Host>(site.Host(n)).Maintenance));
    }

    [Fact]
    public async Task ACenterThatIsKilledWhileARollHoldsLeavesAHostThatItPassedOverInMaintenance()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        await site.CreateAsync("a", host: 1, on: true);
        await site.CreateAsync("b", host: 2, on: true);
        var held = site.Hosts.Hold<PrepareIncoming>();
        var rolling = await site.SubmitAsync(new RollingMaintenance { Target = site.Cluster, AtOnce = 2, Hold = TimeSpan.FromHours(1) });
        await held.ArrivedAsync();
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(2) });
        held.Release();
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Maintenance == HostMaintenance.In, "the first host is in maintenance");
        await site.KillAndRestartAsync();
        Assert.IsType<Interrupted>((await site.EndAsync(rolling)).Fault);
        Assert.Equal(
            [HostMaintenance.None, HostMaintenance.In, HostMaintenance.None],
            Enumerable.Range(1, 3).Select(n => site.Now.Get<Host>(site.Host(n)).Maintenance));
    }

    [Fact]
    public async Task ThePlanSaysWhatHappensAndDoesNothing()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3, memory: Bytes.FromGib(4));
        EntityId[] vms = [await site.CreateAsync("a", host: 1, on: true), await site.CreateAsync("b", host: 1, on: true), await site.CreateAsync("c", host: 1, on: true, memory: Bytes.FromGib(2))];
        var off = await site.CreateAsync("off", host: 1);
        await site.CreateAsync("busy", host: 2, on: true, memory: Bytes.FromGib(3));
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "pair", Kind = ClusterRuleKind.Together, Vms = [.. vms[..2]] });
        var before = site.Now.OfType<VirtualMachine>().Select(v => (v.Id, v.Host)).ToHashSet();
        var plan = site.Engine.Maintenance.Plan(site.Host(1));
        Assert.True(before.SetEquals(site.Now.OfType<VirtualMachine>().Select(v => (v.Id, v.Host))));
        Assert.Equal(HostMaintenance.None, site.Now.Get<Host>(site.Host(1)).Maintenance);
        Assert.True(plan is { IsPossible: true, Seconds: > 0 });
        Assert.Equal(("c", site.Host(3)), (plan.Moves[0].Name, plan.Moves[0].To));
        Assert.Single(plan.Moves, m => m.Name is "a" or "b" && m.With is "a" or "b" && m.With != m.Name);
        Assert.Equal([off], plan.Moves.Where(m => !m.IsLive).Select(m => m.Vm));
        // Nothing of what was tried out is kept: the plan is the same again, and the real moves follow it.
        Assert.Equal(plan.Moves.AsEnumerable(), site.Engine.Maintenance.Plan(site.Host(1)).Moves);
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(1) });
        Assert.All(plan.Moves, m => Assert.Equal(m.To, site.Vm(m.Vm).Host));
        Assert.Contains(site.Engine.Events.Since(0), e => e.Kind == "host.evacuation-plan" && e.Message.Contains("'c' to h3", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ThePlanSaysWhatIsInTheWay()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a", host: 1, on: true), await site.CreateAsync("b", host: 2, on: true)];
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "split", Kind = ClusterRuleKind.Apart, Vms = [.. vms] });
        var plan = site.Engine.Maintenance.Plan(site.Host(1));
        Assert.False(plan.IsPossible);
        var stay = Assert.Single(plan.Staying);
        Assert.True(stay is { Name: "a", IsInTheWay: true });
        Assert.Contains("rule 'split'", stay.Reason);
        Assert.Contains(stay.Reason, Assert.Single((await site.FailAsync<HostNotEmptied>(new EnterMaintenance { Target = site.Host(1) })).Staying));
    }

    [Theory]
    [InlineData(1, 10)]
    [InlineData(2, 5)]
    [InlineData(4, 4)]
    public void MovesThatAreMadeAtOnceTakeAsLongAsTheBusiestTurn(int atOnce, double seconds) =>
        Assert.Equal(seconds, MaintenancePlan.Together([4, 3, 2, 1], _ => [], atOnce));

    [Fact]
    public void AMoveThatWaitsForOthersBeginsWhenTheyHaveEnded() =>
        Assert.Equal(7, MaintenancePlan.Together([4, 3, 2, 1], n => n == 2 ? [0, 1] : n == 3 ? [2] : [], 4));

    [Fact]
    public async Task AnotherMachineMakesRoomFirst()
    {
        await using var site = await FullSite();
        EntityId a = site.Vm("a").Id, c = site.Vm("c").Id;
        var plan = site.Engine.Maintenance.Plan(site.Host(1));
        Assert.Equal([("c", "h2", "h3", "a"), ("a", "h1", "h2", null)], plan.Moves.Select(m => (m.Name, m.FromName, m.ToName, m.ForName)));
        Assert.Empty(plan.Staying);
        Assert.Equal(plan.Moves.Sum(m => m.Seconds), plan.Seconds, 6);
        Assert.Contains("'c' to h3 to make room for 'a', 'a' to h2", plan.InWords(), StringComparison.Ordinal);

        var held = site.Hosts.Hold<PrepareIncoming>();
        var entering = await site.SubmitAsync(new EnterMaintenance { Target = site.Host(1) });
        await held.ArrivedAsync();
        // Until it has gone the other does not begin.
        Assert.Equal([c], site.Engine.Tasks.List().Where(t => t.Operation == "vm.migrate").Select(t => t.Target));
        Assert.Contains("so that 'a' can leave host 'h1'", site.Engine.Tasks.List().Single(t => t.Operation == "vm.migrate").Reason, StringComparison.Ordinal);
        held.Release();
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(entering)).State);
        Assert.Equal((site.Host(3), site.Host(2)), (site.Vm(c).Host!.Value, site.Vm(a).Host!.Value));
    }

    [Fact]
    public async Task AMachineThatCannotMakeRoomIsReplacedByAnother()
    {
        await using var site = await FullSite("c", "e");
        site.Hosts.Refuse<PrepareIncoming>(new MachineStartFailed("b", "no memory"));
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(1) });
        Assert.Equal((site.Host(2), site.Host(3), site.Host(2)), (site.Vm("b").Host!.Value, site.Vm("c").Host!.Value, site.Vm("a").Host!.Value));
        Assert.Contains(site.Engine.Events.Since(0), e => e.Kind == "host.no-room-made" && e.Message.StartsWith("'b' could not make room for 'a': ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task WhenNobodyElseCanMakeRoomTheMachineStaysForThatReason()
    {
        await using var site = await FullSite();
        site.Hosts.Refuse<PrepareIncoming>(new MachineStartFailed("c", "no memory"));
        var fault = await site.FailAsync<HostNotEmptied>(new EnterMaintenance { Target = site.Host(1) });
        Assert.StartsWith("'a' stays: ", Assert.Single(fault.Staying), StringComparison.Ordinal);
        Assert.Equal((site.Host(1), site.Host(2)), (site.Vm("a").Host!.Value, site.Vm("c").Host!.Value));
        Assert.Equal(HostMaintenance.None, site.Now.Get<Host>(site.Host(1)).Maintenance);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(BalanceMode.Manual)]
    [InlineData(BalanceMode.Partial)]
    public async Task AMachineThatIsNotToBeMovedMakesNoRoom(BalanceMode? mode)
    {
        await using var site = await FullSite();
        await site.SucceedAsync(new SetBalancing { Target = site.Cluster, Overrides = [new(site.Vm("c").Id, mode)] });
        var plan = site.Engine.Maintenance.Plan(site.Host(1));
        Assert.Empty(plan.Moves);
        Assert.Contains("memory", Assert.Single(plan.Staying).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CancellingWhileRoomIsMadeLeavesTheMachineOnItsHost()
    {
        await using var site = await FullSite();
        var held = site.Hosts.Hold<PrepareIncoming>();
        var entering = await site.SubmitAsync(new EnterMaintenance { Target = site.Host(1) });
        await held.ArrivedAsync();
        site.Cancel(entering);
        held.Release();
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(entering)).State);
        Assert.Equal((HostMaintenance.None, site.Host(1)), (site.Now.Get<Host>(site.Host(1)).Maintenance, site.Vm("a").Host!.Value));
        Assert.All(site.Now.OfType<VirtualMachine>(), v => Assert.Equal(PowerState.On, v.Power));
    }

    [Fact]
    public async Task AMachineThatARuleKeepsApartLeavesFirst()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3, memory: Bytes.FromGib(4));
        EntityId[] vms = [await site.CreateAsync("a", host: 1, on: true, memory: Bytes.FromGib(2)), await site.CreateAsync("b", host: 2, on: true, memory: Bytes.FromGib(1))];
        await site.CreateAsync("d", host: 3, on: true, memory: Bytes.FromGib(3));
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "split", Kind = ClusterRuleKind.Apart, Vms = [.. vms] });
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(1) });
        Assert.Equal((site.Host(2), site.Host(3)), (site.Vm("a").Host!.Value, site.Vm("b").Host!.Value));
    }

    [Fact]
    public async Task AFullClusterIsTakenThroughMaintenanceHostByHost()
    {
        await using var site = await FullSite();
        await site.SucceedAsync(new RollingMaintenance { Target = site.Cluster });
        Assert.All(site.Now.OfType<VirtualMachine>(), v => Assert.Equal(PowerState.On, v.Power));
        Assert.Equal(3, site.Engine.Tasks.List().Where(t => t is { Operation: "host.enter-maintenance", State: TaskState.Succeeded }).DistinctBy(t => t.Target).Count());
    }

    private static readonly TimeSpan Hold = TimeSpan.FromMinutes(10);

    /// <summary>A roll whose first host goes down while it is in maintenance.</summary>
    private static async Task<TaskRecord> RebootingAsync(MachineSite site, int atOnce = 1)
    {
        var rolling = await site.SubmitAsync(new RollingMaintenance { Target = site.Cluster, AtOnce = atOnce, Hold = Hold });
        await site.UntilAsync(now => now.OfType<Host>().Count(h => h.Maintenance == HostMaintenance.In) == atOnce, "the hosts are in maintenance");
        site.Simulation.Hosts[0].Crash();
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Connection == HostConnection.NotResponding, "the host is away");
        return rolling;
    }

    private static IEnumerable<HostMaintenance> Maintenances(MachineSite site) =>
        site.Simulation.Hosts.Select(h => site.Now.Get<Host>(h.Id).Maintenance);

    /// <summary>Hosts of 4 GiB: of h1's one machine of 2 GiB none of the others has room before one of 1 GiB leaves h2 for h3.</summary>
    private static async Task<MachineSite> FullSite(params string[] small)
    {
        var site = await MachineSite.OpenAsync(hosts: 3, memory: Bytes.FromGib(4));
        if (small.Length == 0)
            small = ["c"];
        await site.CreateAsync("a", host: 1, on: true, memory: Bytes.FromGib(2));
        await site.CreateAsync("b", host: 2, on: true, memory: Bytes.FromGib(3 - small.Length));
        await site.CreateAsync("d", host: 3, on: true, memory: Bytes.FromGib(3));
        foreach (var name in small)
            await site.CreateAsync(name, host: 2, on: true, memory: Bytes.FromGib(1));
        return site;
    }
}
