using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Statistics;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Hosts;

public sealed class HostSessionTests
{
    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public void AJoinedHostBringsItsMachines() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        host.Put(TestHost.Machine(1, PowerState.On));
        await using var site = await TestSite.WithAsync(scheduler, host);

        var vm = site.Machine(TestHost.Machine(1, PowerState.On).Id);
        Assert.Equal(("vm1", site.Datacenter, host.Id, PowerState.On, false), (vm.Name, vm.Parent, vm.Host, vm.Power, vm.IsStale));
        Assert.Equal(HostConnection.Connected, site.Host(host).Connection);
        Assert.Contains("'vm1'", await site.EventAsync("vm.found"));
    });

    [Fact]
    public void MachinesOfOneNameGetNamesThatDiffer() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var (first, second) = (TestHost.Machine(1, PowerState.Off), TestHost.Machine(2, PowerState.Off));
        host.Put(first);
        host.Put(second with { Spec = second.Spec! with { Name = "vm1" } });
        await using var site = await TestSite.WithAsync(scheduler, host);

        Assert.Equal(["vm1", "vm1 (2)"], site.Now.OfType<VirtualMachine>().Select(v => v.Name).Order());
    });

    [Fact]
    public void AHostThatGoesAwayIsSaidToAndWhatItBringsBackIsTrue() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var (stays, stops, vanishes) = (TestHost.Machine(1, PowerState.On), TestHost.Machine(2, PowerState.On, epoch: 3), TestHost.Machine(3, PowerState.Off));
        foreach (var machine in new[] { stays, stops, vanishes })
            host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);

        host.GoAway();
        await site.UntilAsync(_ => site.Machine(stays.Id).IsStale && site.Machine(vanishes.Id).IsStale);
        Assert.Equal(HostConnection.NotResponding, site.Host(host).Connection);
        Assert.Contains("the cable is out", site.Host(host).Problem);
        var refused = await Assert.ThrowsAsync<FaultException>(() => site.Engine.Hosts.ExecuteAsync(host.Id, new StopMachine(stays.Id), null, Soon));
        Assert.Contains("the cable is out", Assert.IsType<HostNotConnected>(refused.Fault).Reason);

        host.Put(stops with { Power = PowerState.Off, LockEpoch = 4 });
        host.Lose(vanishes.Id);
        host.ComeBack();
        await site.UntilAsync(_ => !site.Machine(stays.Id).IsStale);

        Assert.Equal(PowerState.On, site.Machine(stays.Id).Power);
        Assert.Equal(PowerState.Off, site.Machine(stops.Id).Power);
        Assert.Equal((null, PowerState.Unknown), (site.Machine(vanishes.Id).Host, site.Machine(vanishes.Id).Power));
        Assert.Equal((HostConnection.Connected, null), (site.Host(host).Connection, site.Host(host).Problem));
        Assert.Contains("'vm2' is off", await site.EventAsync("vm.powered-off"));
        Assert.Contains("'vm3'", await site.EventAsync("vm.lost"));
    });

    [Fact]
    public void AMachineThatMovedWhileItsHostWasAwayIsFoundWhereItRuns() => VirtualRun.Of(async scheduler =>
    {
        var (first, second) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.On, epoch: 5);
        first.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, first, second);

        first.GoAway();
        await site.UntilAsync(_ => site.Machine(machine.Id).IsStale);
        second.Put(machine with { LockEpoch = 6 });
        await site.UntilAsync(_ => site.Machine(machine.Id) is { IsStale: false } vm && vm.Host == second.Id);

        // It comes back with an old belief: the newer epoch still counts.
        first.Put(machine with { Power = PowerState.Off });
        first.ComeBack();
        await site.UntilAsync(_ => site.Host(first).Connection == HostConnection.Connected);
        Assert.Equal((second.Id, PowerState.On), (site.Machine(machine.Id).Host, site.Machine(machine.Id).Power));
    });

    [Fact]
    public void AHostThatOnlyRegisteredItDoesNotTakeAMachineThatMayStillRunElsewhere() => VirtualRun.Of(async scheduler =>
    {
        var (first, second) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.On, epoch: 5);
        first.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, first, second);

        first.GoAway();
        second.Put(machine with { Power = PowerState.Off });
        await site.UntilAsync(_ => site.Machine(machine.Id).IsStale);
        Assert.Equal((first.Id, PowerState.On), (site.Machine(machine.Id).Host, site.Machine(machine.Id).Power));
    });

    [Fact]
    public void TwoHostsThatBothRunAMachineAreAnEventAndTheNewerEpochCounts() => VirtualRun.Of(async scheduler =>
    {
        var (first, second) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.On, epoch: 5);
        first.Put(machine);
        second.Put(machine with { LockEpoch = 7 });
        await using var site = await TestSite.WithAsync(scheduler, first, second);

        Assert.Equal(second.Id, site.Machine(machine.Id).Host);
        Assert.Contains("'h1' (lock epoch 5) and 'h2' (lock epoch 7)", await site.EventAsync("vm.runs-twice"));
    });

    [Fact]
    public void AMoveOfWhichTheNewHostIsHeardFirstIsNoMachineThatRunsTwice() => VirtualRun.Of(async scheduler =>
    {
        var (first, second) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.On, epoch: 5);
        first.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, first, second);

        first.Forget(machine.Id);
        second.Put(machine with { LockEpoch = 6 });
        await site.UntilAsync(_ => site.Machine(machine.Id).Host == second.Id);
        first.Lose(machine.Id);
        second.Lose(machine.Id);
        await site.UntilAsync(_ => site.Machine(machine.Id).Host is null);
        Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind == "vm.runs-twice");
    });

    [Fact]
    public void AMachineThatRunsOnAfterItsMoveIsSaidToRunTwiceByEveryEngine() => VirtualRun.Of(async scheduler =>
    {
        var (source, destination) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.On, epoch: 5);
        source.Put(machine with { Migration = new HostMigration(Guid.NewGuid(), MigrationRole.Source, MigrationPhase.Switch) });
        destination.Put(machine with { LockEpoch = 6 });
        await using (var site = await TestSite.WithAsync(scheduler, source, destination))
        {
            await site.UntilAsync(_ => site.Machine(machine.Id).Host == destination.Id);
            Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind == "vm.runs-twice");
            source.Have(machine);
        }

        await using var again = await TestSite.WithAsync(scheduler, source, destination);
        Assert.Contains("'h1' (lock epoch 5) and 'h2' (lock epoch 6)", await again.EventAsync("vm.runs-twice"));
        source.Lose(machine.Id);
        await again.UntilAsync(_ => again.Machine(machine.Id) is { Host: var host, LockEpoch: 6 } && host == destination.Id);
        Assert.Single(again.Engine.Events.Since(0), e => e.Kind == "vm.runs-twice");
    });

    [Fact]
    public void OfTwoHostsThatRegisteredAMachineTheOneThatRunsItCounts() => VirtualRun.Of(async scheduler =>
    {
        var (first, second) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.Off, epoch: 9);
        first.Put(machine);
        second.Put(machine with { Power = PowerState.On, LockEpoch = 8 });
        await using var site = await TestSite.WithAsync(scheduler, first, second);

        Assert.Equal((second.Id, PowerState.On), (site.Machine(machine.Id).Host, site.Machine(machine.Id).Power));
        second.Lose(machine.Id);
        await site.UntilAsync(_ => site.Machine(machine.Id).Host == first.Id);
        Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind == "vm.runs-twice");
    });

    [Fact]
    public void AWaitingDestinationIsNotWhereTheMachineIs() => VirtualRun.Of(async scheduler =>
    {
        var (source, destination) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.On, epoch: 5);
        var migration = Guid.Parse("00000000-0000-0000-0000-000000000001");
        source.Put(machine with { Migration = new HostMigration(migration, MigrationRole.Source, MigrationPhase.Transfer) });
        destination.Put(machine with { Power = PowerState.Paused, Migration = new HostMigration(migration, MigrationRole.Destination, MigrationPhase.Transfer) });
        await using var site = await TestSite.WithAsync(scheduler, source, destination);

        Assert.Equal(source.Id, site.Machine(machine.Id).Host);
        destination.Put(machine with { LockEpoch = 6, Migration = new HostMigration(migration, MigrationRole.Destination, MigrationPhase.Commit) });
        await site.UntilAsync(_ => site.Machine(machine.Id).Host == destination.Id);
        Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind == "vm.runs-twice");
    });

    [Fact]
    public void AHostThatAnswersGarbageIsAProblemOfItsOwn() => VirtualRun.Of(async scheduler =>
    {
        var (good, bad) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.On);
        good.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, good, bad);

        bad.Say(new MachineChanged(TestHost.Machine(2, PowerState.On) with { Config = new DatastorePath(machine.Config.Datastore, "../../etc/passwd") }));
        await site.UntilAsync(_ => site.Host(bad).Problem?.Contains("../../etc/passwd", StringComparison.Ordinal) == true);
        Assert.Equal(HostConnection.Connected, site.Host(good).Connection);
        Assert.False(site.Machine(machine.Id).IsStale);

        // What it says next is fine again.
        await site.UntilAsync(_ => site.Host(bad).Connection == HostConnection.Connected);
        Assert.Null(site.Now.Find(TestHost.Machine(2, PowerState.On).Id));
    });

    [Fact]
    public void AHostThatIsSomebodyElseIsNotBelieved() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler, host);
        host.GoAway();
        host.ClaimsToBe = new TestHost(9).Id;
        host.Put(TestHost.Machine(1, PowerState.On));
        host.ComeBack();
        await site.UntilAsync(_ => site.Host(host).Problem?.Contains("it says that it is", StringComparison.Ordinal) == true);
        Assert.Empty(site.Now.OfType<VirtualMachine>());
    });

    [Fact]
    public void AReplyThatOvertakesTheWatchStandsUntilTheWatchHasCaughtUp() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off, epoch: 4);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);

        // The lock is taken before the machine is on: two changes, and the reply comes before both.
        var taken = host.Have(machine with { LockEpoch = 5 });
        var on = host.Have(machine with { LockEpoch = 5, Power = PowerState.On });
        host.Answer = _ => Task.FromResult<HostReply>(new MachineReply(on));
        await site.Engine.Hosts.ExecuteAsync(host.Id, new StartMachine(machine.Id, 4), null, Soon);
        Assert.Equal(PowerState.On, site.Machine(machine.Id).Power);

        host.Say(new MachineChanged(taken));
        await SaidAsync(site, host, "test.taken");
        Assert.Equal(PowerState.On, site.Machine(machine.Id).Power);
        host.Say(new MachineChanged(on));
        host.Put(machine with { LockEpoch = 5, Power = PowerState.Paused });
        await site.UntilAsync(_ => site.Machine(machine.Id).Power == PowerState.Paused);
    });

    [Fact]
    public void AnAnswerThatIsOlderThanTheWatchTakesNoDatastoreAway() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler, host);
        // The host found it after it had made up the answer that is on its way.
        var found = new HostDatastore { Id = EntityId.Datastore(new Guid(9, 2, 0, new byte[8])), Name = "late", Path = "/late" };
        host.Say(new DatastoresChanged([found]));
        await SaidAsync(site, host, "test.found");
        Assert.Equal([found], site.Now.Get<Host>(host.Id).Datastores);
        Assert.Empty((await site.Engine.Hosts.RefreshAsync(host.Id, Soon)).Datastores);
        Assert.Equal([found], site.Now.Get<Host>(host.Id).Datastores);
    });

    [Fact]
    public void AMachineThatAReplySaysIsGoneDoesNotComeBackWithOldNews() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off, epoch: 4);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        var last = host.Have(machine with { LockEpoch = 5 });
        host.Answer = _ => Task.FromResult<HostReply>(Done.Instance);
        await site.Engine.Hosts.ExecuteAsync(host.Id, new DestroyMachine(machine.Id), null, Soon);
        await site.Engine.Inventory.ApplyAsync(_ => Alveare.Core.Inventory.InventoryEdit.Remove(machine.Id));

        host.Say(new MachineChanged(last));
        await SaidAsync(site, host, "test.changed");
        Assert.Null(site.Now.Find(machine.Id));

        // Registered anew, and again the reply comes first.
        var anew = host.Have(machine with { LockEpoch = 6 });
        host.Answer = _ => Task.FromResult<HostReply>(new MachineReply(anew));
        await site.Engine.Hosts.ExecuteAsync(host.Id, new RegisterMachine(machine.Config), null, Soon);
        host.Say(new MachineRemoved(machine.Id));
        await SaidAsync(site, host, "test.removed");
        Assert.Equal(host.Id, site.Machine(machine.Id).Host);
        host.Say(new MachineChanged(anew));
        host.Lose(machine.Id);
        await site.UntilAsync(_ => site.Machine(machine.Id).Host is null);
    });

    [Fact]
    public void AReportThatWasAskedForIsNewerThanTheWatch() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var (changes, goes) = (TestHost.Machine(1, PowerState.Off), TestHost.Machine(2, PowerState.Off));
        host.Put(changes);
        host.Put(goes);
        await using var site = await TestSite.WithAsync(scheduler, host);
        var on = host.Have(changes with { Power = PowerState.On });
        host.Forget(goes.Id);
        await site.Engine.Hosts.RefreshAsync(host.Id, Soon);
        Assert.Equal((PowerState.On, null), (site.Machine(changes.Id).Power, site.Machine(goes.Id).Host));

        host.Say(new MachineChanged(on with { Power = PowerState.Off, Revision = on.Revision - 1 }));
        await SaidAsync(site, host, "test.changed");
        Assert.Equal(PowerState.On, site.Machine(changes.Id).Power);
    });

    [Fact]
    public void AMachineThatATaskMakesIsNotFound() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        await using var site = await TestSite.WithAsync(scheduler, host);
        var machine = TestHost.Machine(1, PowerState.Off);
        using (site.Engine.Hosts.Expect(machine.Id))
        {
            host.Put(machine);
            await SaidAsync(site, host, "test.said");
            Assert.Null(site.Now.Find(machine.Id));
        }

        // The task did not put it in: it was found after all.
        await site.UntilAsync(now => now.Find(machine.Id) is not null);
    });

    [Fact]
    public void ACommandWhoseAnswerWasLostIsFoundOut() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        host.Answer = _ =>
        {
            host.Put(machine with { Power = PowerState.On, LockEpoch = 2 });
            host.GoAway();
            host.ComeBack();
            throw new FaultException(new HostNotConnected("h1", "cut off"));
        };

        var reply = await site.Engine.Hosts.ExecuteUntilKnownAsync(host.Id, new StartMachine(machine.Id, 1), IsOn, null, Soon);
        Assert.Equal(PowerState.On, Assert.IsType<MachineReply>(reply).Machine.Power);
        Assert.Single(host.Commands.OfType<StartMachine>());
        Assert.Equal(PowerState.On, site.Machine(machine.Id).Power);

        HostReply? IsOn(HostSnapshot said) =>
            said.Machines.FirstOrDefault(m => m.Id == machine.Id && m.Power == PowerState.On) is { } on ? new MachineReply(on) : null;
    });

    [Fact]
    public void ACommandThatNeverArrivedIsSentAgain() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        host.Answer = _ => host.Commands.OfType<StartMachine>().Count() == 1
            ? throw new FaultException(new HostNotConnected("h1", "cut off"))
            : Task.FromResult<HostReply>(new MachineReply(machine with { Power = PowerState.On, LockEpoch = 2 }));

        await site.Engine.Hosts.ExecuteUntilKnownAsync(host.Id, new StartMachine(machine.Id, 1), _ => null, null, Soon);
        Assert.Equal(2, host.Commands.OfType<StartMachine>().Count());
    });

    [Fact]
    public void EventsAndSamplesOfAHostReachTheSite() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.On);
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        var at = DateTimeOffset.UnixEpoch;
        host.Say(new StatisticsSampled(new HostSample { Host = host.Id, At = at }, [new MachineSample { Machine = machine.Id, At = at, CpuPercent = 12 }, new MachineSample { Machine = EntityId.Vm(new Guid(99, 0, 0, new byte[8])), At = at }]));
        host.Say(new HostEventRaised("vm.died", machine.Id, "Its QEMU was killed by signal 9.", IsProblem: true));

        Assert.Contains("signal 9", await site.EventAsync("vm.died"));
        Assert.Equal(EventSeverity.Error, site.Engine.Events.Since(0).Single(e => e.Kind == "vm.died").Severity);
        Assert.Equal(12, Assert.Single(site.Engine.Statistics.Machine(machine.Id)).CpuPercent);
        Assert.Equal(machine.Id, Assert.Single(site.Engine.Statistics.LatestOfMachines()).Machine);
    });

    [Fact]
    public void SamplesOfAnotherHostsMachineAreNotTaken() => VirtualRun.Of(async scheduler =>
    {
        var (one, other) = (new TestHost(1), new TestHost(2));
        var machine = TestHost.Machine(1, PowerState.On);
        other.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, one, other);
        foreach (var host in new[] { one, other })
        {
            host.Say(new StatisticsSampled(
                new HostSample { Host = host.Id, At = DateTimeOffset.UnixEpoch },
                [new MachineSample { Machine = machine.Id, At = DateTimeOffset.UnixEpoch, CpuPercent = host == one ? 400 : 12 }]));
            await SaidAsync(site, host, host == one ? "one.sampled" : "other.sampled");
        }

        Assert.Equal(12, Assert.Single(site.Engine.Statistics.Machine(machine.Id)).CpuPercent);
    });

    [Fact]
    public void AMachineWithUnreadableFilesIsListedWithTheReason() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off) with { Spec = null, InvalidReason = "line 3 is not key = \"value\"" };
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        Assert.Equal(("vm1", machine.InvalidReason), (site.Machine(machine.Id).Name, site.Machine(machine.Id).InvalidReason));
        Assert.Contains("line 3", await site.EventAsync("vm.invalid"));
    });

    [Fact]
    public void AMachineWhoseFilesNameDevicesThatItRunsWithoutIsToldOfOnce() => VirtualRun.Of(async scheduler =>
    {
        var host = new TestHost(1);
        var machine = TestHost.Machine(1, PowerState.Off);
        machine = machine with { Spec = machine.Spec! with { DevicesLeftOut = ["CD-ROM ide1:0", "floppy drive floppy0"] } };
        host.Put(machine);
        await using var site = await TestSite.WithAsync(scheduler, host);
        Assert.Contains("'vm1' is registered without CD-ROM ide1:0, floppy drive floppy0: its files name these devices", await site.EventAsync("vm.devices-left-out"));

        // It changes, its host comes back, and its file is mended: nothing of that is news.
        host.Put(machine with { Power = PowerState.On });
        await SaidAsync(site, host, "started");
        host.GoAway("cut off");
        await site.UntilAsync(now => now.Get<VirtualMachine>(machine.Id).IsStale);
        host.ComeBack();
        await site.UntilAsync(now => !now.Get<VirtualMachine>(machine.Id).IsStale);
        host.Put(machine with { Spec = machine.Spec with { DevicesLeftOut = [] } });
        await SaidAsync(site, host, "mended");
        Assert.Single(site.Engine.Events.Since(0), e => e.Kind == "vm.devices-left-out");

        // Others are, and as many as can be read.
        host.Put(machine with { Spec = machine.Spec with { DevicesLeftOut = [.. Enumerable.Range(0, 12).Select(n => $"serial port serial{n}")] } });
        await SaidAsync(site, host, "more");
        Assert.Contains(site.Engine.Events.Since(0), e => e.Kind == "vm.devices-left-out" && e.Message.Contains("serial port serial9 and 2 more: its files", StringComparison.Ordinal));
    });

    // What a watch brings is taken in order: once this is an event, all before it is in the inventory.
    private static async Task SaidAsync(TestSite site, TestHost host, string kind)
    {
        host.Say(new HostEventRaised(kind, host.Id, "said", IsProblem: false));
        await site.EventAsync(kind);
    }
}
