using Alveare.Core.Hosts;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Worlds;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Migration;

/// <summary>Migrations in which something breaks: the task ends, says the truth, and the machine is in one place.</summary>
public sealed class BrokenMigrationTests
{
    [Fact]
    public async Task ATargetThatCannotPrepareLeavesTheMachineWhereItIs()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        site.Hosts.Refuse<PrepareIncoming>(new MachineStartFailed("web01", "no memory"));
        var ended = await site.EndAsync(await site.SubmitAsync(new MigrateVm { Target = id }));
        Assert.IsType<MachineStartFailed>(ended.Fault);
        await LiveMigrationTests.AssertStayedAsync(site, id, ended, TaskState.Failed);
    }

    [Fact]
    public async Task ATargetThatGivesTheMachineUpKeepsTheRegistrationItHadBefore()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var target = site.Simulation.Hosts[1];
        // The center would take the second registration away.
        site.Simulation.Network.Cut(Network.Center, target.Id);
        await site.UntilAsync(now => now.Get<Host>(target.Id).Connection == HostConnection.NotResponding, "the center does not reach it");
        await target.ExecuteAsync(new RegisterMachine(site.Vm(id).Config), null, CancellationToken.None);
        var migration = Guid.NewGuid();
        await target.ExecuteAsync(
            new PrepareIncoming(migration, id, site.Vm(id).Config, site.Host(1), site.Vm(id).LockEpoch, new MigrationSettings()), null, CancellationToken.None);
        Assert.NotNull((await site.OnHostAsync(2, id))!.Migration);
        await target.ExecuteAsync(new CancelMigration(migration), null, CancellationToken.None);
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (await site.OnHostAsync(2, id) is not { Migration: null, Power: PowerState.Off })
            await Task.Delay(10, limit.Token);
        Assert.Equal([1], site.ProcessesOf(id));
    }

    [Fact]
    public async Task APreparationWhoseAnswerIsLostLeavesNoProcessThatWaits()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        site.Hosts.LoseAnswer<PrepareIncoming>();
        var ended = await site.EndAsync(await site.SubmitAsync(new MigrateVm { Target = id }));
        Assert.IsType<HostNotConnected>(ended.Fault);
        await LiveMigrationTests.AssertStayedAsync(site, id, ended, TaskState.Failed);
    }

    [Fact]
    public async Task ASourceThatRefusesLeavesNoProcessThatWaits()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        site.Hosts.Refuse<SendMachine>(new HostOperationFailed("Sending", "the socket is broken"));
        var ended = await site.EndAsync(await site.SubmitAsync(new MigrateVm { Target = id }));
        Assert.Equal("h1", Assert.IsType<MigrationFailed>(ended.Fault).RunsOn);
        Assert.Contains("the socket is broken", ended.Fault.Message, StringComparison.Ordinal);
        await LiveMigrationTests.AssertStayedAsync(site, id, ended, TaskState.Failed);
    }

    [Fact]
    public void ASendingThatDoesNotArriveIsAskedForAgainWhileTheTargetWaits() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        site.Hosts.LoseCommand<SendMachine>();
        var began = scheduler.Time.Elapsed;
        Assert.Equal(site.Host(2), (await site.SucceedAsync(new MigrateVm { Target = id })).Result);
        Assert.InRange(scheduler.Time.Elapsed - began, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        await LiveMigrationTests.AssertOnlyOnAsync(site, id, 2);
    });

    [Fact]
    public void ASourcesAgentThatEndsBeforeItHasBegunBeginsWhenItIsBack() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var held = site.Hosts.Hold<SendMachine>();
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        await held.ArrivedAsync();
        var began = scheduler.Time.Elapsed;
        site.Simulation.Hosts[0].KillAgent();
        site.Simulation.Hosts[0].StartAgent();
        held.Released.SetException(new FaultException(new HostNotConnected("h1", "the connection broke")));
        Assert.Equal(site.Host(2), (await site.EndAsync(task)).Result);
        Assert.InRange(scheduler.Time.Elapsed - began, TimeSpan.Zero, TimeSpan.FromSeconds(30));
        await LiveMigrationTests.AssertOnlyOnAsync(site, id, 2);
    });

    [Fact]
    public void ASendingThatNeverArrivesLeavesTheMachineWhereItIs() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var isLost = true;
        site.Hosts.On<SendMachine>(carryOut => isLost ? throw new FaultException(new HostNotConnected("h1", "the connection broke")) : carryOut(), times: int.MaxValue);
        var ended = await site.EndAsync(await site.SubmitAsync(new MigrateVm { Target = id }));
        isLost = false;
        await LiveMigrationTests.AssertStayedAsync(site, id, ended, TaskState.Failed);
    });

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task ALostAnswerIsFoundOutAbout(bool ofSource, bool ofTarget)
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        if (ofSource)
            site.Hosts.LoseAnswer<SendMachine>();
        if (ofTarget)
            site.Hosts.LoseAnswer<AwaitIncoming>();
        var moved = await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal((site.Host(2), site.Host(2)), (moved.Result!.Value, site.Vm(id).Host!.Value));
        await LiveMigrationTests.AssertOnlyOnAsync(site, id, 2);
    }

    [Fact]
    public void ASourceThatIsLostInTheMiddleIsAskedAgainWhenItIsBack() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var ended = await site.EndWithAsync(new MigrateVm { Target = id }, _ =>
        {
            site.Simulation.Hosts[0].KillAgent();
            site.Simulation.Hosts[0].StartAgent();
        });
        var place = ended.State == TaskState.Succeeded ? 2 : 1;
        await site.UntilAsync(now => now.Get<VirtualMachine>(id) is { Power: PowerState.On, IsStale: false } vm && vm.Host == site.Host(place), "the inventory agrees");
        await LiveMigrationTests.AssertOnlyOnAsync(site, id, place);
    });

    [Fact]
    public void ATargetsProcessThatDiesLeavesTheMachineOnTheSource() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var ended = await site.EndWithAsync(new MigrateVm { Target = id }, _ => site.Simulation.Hosts[1].KillQemu(id));
        Assert.Equal("h1", Assert.IsType<MigrationFailed>(ended.Fault).RunsOn);
        Assert.Equal((site.Host(1), PowerState.On), (site.Vm(id).Host!.Value, site.Vm(id).Power));
        await LiveMigrationTests.AssertOnlyOnAsync(site, id, 1);
    });

    [Fact]
    public void AGuestWhoseTargetDiesAtTheSwitchStandsStillNoLongerThanThatIsUnknown() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var task = await LiveMigrationTests.SwitchWithoutTargetsAgentAsync(site, id);
        var began = scheduler.Time.Elapsed;
        site.Simulation.Hosts[1].KillQemu(id);
        site.Simulation.Hosts[1].StartAgent();
        Assert.Equal("h1", Assert.IsType<MigrationFailed>((await site.EndAsync(task)).Fault).RunsOn);
        Assert.InRange(scheduler.Time.Elapsed - began, TimeSpan.Zero, new MigrationSettings().SwitchTimeout / 2);
        await LiveMigrationTests.AssertOnlyOnAsync(site, id, 1);
    });

    [Fact]
    public void ASourcesProcessThatDiesLeavesTheMachineOff() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var ended = await site.EndWithAsync(new MigrateVm { Target = id }, _ => site.Simulation.Hosts[0].KillQemu(id));
        Assert.Null(Assert.IsType<MigrationFailed>(ended.Fault).RunsOn);
        Assert.Equal(PowerState.Off, site.Vm(id).Power);
        Assert.Empty(site.ProcessesOf(id));
        await site.SucceedAsync(new PowerOn { Target = id });
    });

    [Fact]
    public void ATargetThatGoesDownLeavesTheMachineOnTheSource() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var ended = await site.EndWithAsync(new MigrateVm { Target = id }, _ => site.Simulation.Hosts[1].Crash());
        Assert.Equal("h1", Assert.IsType<MigrationFailed>(ended.Fault).RunsOn);
        Assert.Equal([1], site.ProcessesOf(id));
    });

    [Fact]
    public void ASourceThatStaysAwayEndsTheTaskWithWhatIsKnown() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var ended = await site.EndWithAsync(new MigrateVm { Target = id }, _ => site.Simulation.Hosts[0].Crash());
        var fault = Assert.IsType<Interrupted>(ended.Fault);
        Assert.Contains("known to be on 'h1'", fault.Message, StringComparison.Ordinal);
        Assert.True(site.Vm(id).IsStale);

        site.Simulation.Hosts[0].Boot();
        await site.UntilAsync(now => now.Get<VirtualMachine>(id) is { IsStale: false, Power: PowerState.Off }, "the host says that it is off");
    });

    [Theory]
    [InlineData(1970)]
    [InlineData(2099)]
    public void AClockThatIsSetMakesNobodyWaitLongerOrLessLong(int year) => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var began = TimeSpan.Zero;
        var ended = await site.EndWithAsync(new MigrateVm { Target = id }, _ =>
        {
            site.Simulation.Hosts[0].Crash();
            began = scheduler.Time.Elapsed;
            site.Simulation.World.Begin("Setting the clock", async () =>
            {
                await Task.Delay(HostSessions.Patience / 2, scheduler.Time);
                scheduler.Time.Set(new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero));
            });
        });
        Assert.IsType<Interrupted>(ended.Fault);
        Assert.InRange(scheduler.Time.Elapsed - began, HostSessions.Patience, 2 * HostSessions.Patience);
    });

    [Fact]
    public async Task AnEngineThatIsKilledInThePreparationFindsTheMachineOnTheSource()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var held = site.Hosts.Hold<SendMachine>();
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        await held.ArrivedAsync();
        Assert.Equal([1, 2], site.ProcessesOf(id));

        await site.KillAndRestartAsync();
        var ended = await site.EndAsync(task);
        Assert.Equal("h1", Assert.IsType<MigrationFailed>(ended.Fault).RunsOn);
        await LiveMigrationTests.AssertStayedAsync(site, id, ended, TaskState.Failed);
    }

    [Fact]
    public void AnEngineThatIsKilledInTheTransferFollowsItToItsEnd() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var (id, task) = await KillInTheTransferAsync(site);
        await site.FailAsync<ObjectInUse>(new PowerOff { Target = id });
        // What it needs on its target is kept for it.
        var big = await site.CreateAsync("big", host: 2, memory: site.Now.Get<Host>(site.Host(2)).Facts!.MemoryForGuests);
        await site.FailAsync<InsufficientMemory>(new PowerOn { Target = big, Host = site.Host(2) });
        site.Simulation.Network.HealAll();
        var ended = await site.EndAsync(task);
        Assert.Equal((TaskState.Succeeded, site.Host(2)), (ended.State, ended.Result!.Value));
        Assert.Equal((site.Host(2), PowerState.On), (site.Vm(id).Host!.Value, site.Vm(id).Power));
        await LiveMigrationTests.AssertOnlyOnAsync(site, id, 2);
    });

    [Fact]
    public void AMoveThatAnEarlierEngineBeganIsCalledOff() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var (id, task) = await KillInTheTransferAsync(site);
        site.Cancel(task);
        var ended = await site.EndAsync(task);
        site.Simulation.Network.HealAll();
        await LiveMigrationTests.AssertStayedAsync(site, id, ended, TaskState.Cancelled);
    });

    [Fact]
    public async Task AnEngineThatIsKilledAfterTheSwitchFindsASuccess()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1, on: true);
        // The engine is killed before it has heard of anything: what is on disk still says the source.
        var disk = (MemoryStore?)null;
        site.Hosts.On<SendMachine>(async carryOut =>
        {
            disk = site.Store.Copy();
            return await carryOut();
        });
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        await site.KillAndRestartAsync(disk);
        var ended = await site.EndAsync(task);
        Assert.Equal((TaskState.Succeeded, site.Host(2)), (ended.State, ended.Result!.Value));
        Assert.Equal((site.Host(2), PowerState.On), (site.Vm(id).Host!.Value, site.Vm(id).Power));
    }

    [Fact]
    public async Task AnEngineThatIsKilledBeforeAnythingBeganSaysSo()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", host: 1);
        var held = site.Hosts.Hold<RegisterMachine>();
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        await held.ArrivedAsync();
        await site.KillAndRestartAsync();
        Assert.IsType<Interrupted>((await site.EndAsync(task)).Fault);
        Assert.Equal(site.Host(1), site.Vm(id).Host);
        await site.UntilAsync(now => now.Get<VirtualMachine>(id) is { IsStale: false, BusyTask: null }, "the machine is free");
        await site.SucceedAsync(new PowerOn { Target = id });
    }

    /// <summary>A migration whose transfer stands still, seen by an engine that was started in the middle of it.</summary>
    private static async Task<(EntityId Machine, TaskRecord Task)> KillInTheTransferAsync(MachineSite site)
    {
        var id = await site.CreateAsync("web01", host: 1, on: true);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        site.Hosts.Begun = () => site.Simulation.World.Nature.Post(
            _ =>
            {
                site.Hosts.Begun = null;
                site.Simulation.Network.Cut(site.Host(1), site.Host(2));
                begun.TrySetResult();
            },
            null);
        var task = await site.SubmitAsync(new MigrateVm { Target = id });
        using var limit = site.NewLimit();
        await begun.Task.OrCancelledAsync(limit.Token);
        await site.KillAndRestartAsync();
        return (id, await site.UntilTaskAsync(task, t => t.Step == "transfer", "the new engine follows it"));
    }
}
