using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Kvm.Qemu;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

public sealed class AdoptionTests
{

    /// <summary>Starts a machine, ends its agent, and kills its QEMU after that.</summary>
    private static async Task<HostMachine> RunUntilKilledAsync(MachineRoom room)
    {
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        await host.DisposeAsync();
        MachineRoom.Kill(Assert.Single(room.LivingProcesses()));
        await room.EndedAsync("a");
        return machine;
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ARestartedAgentFindsItsRunningMachineAndTheGuestNoticesNothing()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(first, "tick");
        var pid = Assert.Single(room.LivingProcesses());
        await first.DisposeAsync();

        var second = await room.ReopenHostAsync("a");

        var found = Assert.Single((await second.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        Assert.Equal(PowerState.On, found.Power);
        Assert.Equal(machine.StartedAt, found.StartedAt);
        Assert.Equal(machine.LockEpoch, found.LockEpoch);
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));
        using var serial = await MachineRoom.OpenSerialAsync(second, machine.Id);
        await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        await MachineRoom.ExecuteAsync(second, new StopMachine(machine.Id));
        Assert.Empty(room.LivingProcesses());
    }

    [Fact]
    public async Task AMachineThatDiedWithoutAnAgentIsOffAndCanBeStartedAgain()
    {
        await using var room = MachineRoom.Open();
        var machine = await RunUntilKilledAsync(room);

        var second = await room.ReopenHostAsync("a");

        Assert.Equal(PowerState.Off, Assert.Single((await second.ObserveAsync(TestContext.Current.CancellationToken)).Machines).Power);
        var died = Assert.Single(await EventsUntilStartedAsync(second, machine));
        Assert.Equal("vm.died", died.Kind);
        Assert.Contains("SIGKILL", died.Message, StringComparison.Ordinal);
        var started = Assert.Single((await second.ObserveAsync(Cancellation)).Machines);
        Assert.Equal(machine.LockEpoch + 2, started.LockEpoch);
    }

    [Fact]
    public async Task AMachineThatWasPoweredOffWhenTheAgentEndedDidNotDie()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(first, "tick");
        await first.DisposeAsync();
        // As an agent leaves it that is killed right after it has ended QEMU.
        var note = Path.Combine(room.Path, "a", "run", machine.Spec!.Uuid.ToString("N"), "run.json");
        await File.WriteAllTextAsync(note, (await File.ReadAllTextAsync(note, Cancellation)).Replace("\"isPoweredOff\":false", "\"isPoweredOff\":true", StringComparison.Ordinal), Cancellation);
        Assert.Contains("\"isPoweredOff\":true", await File.ReadAllTextAsync(note, Cancellation), StringComparison.Ordinal);
        MachineRoom.Kill(Assert.Single(room.LivingProcesses()));
        await room.EndedAsync("a");

        var second = await room.ReopenHostAsync("a");

        var found = Assert.Single((await second.ObserveAsync(Cancellation)).Machines);
        Assert.Equal((PowerState.Off, machine.LockEpoch + 1), (found.Power, found.LockEpoch));
        Assert.Empty(await EventsUntilStartedAsync(second, machine));
    }

    [Fact]
    public async Task OfAMachineThatWasDestroyedWhenTheAgentEndedNothingIsLeft()
    {
        await using var room = MachineRoom.Open();
        // As an agent leaves it that is killed before it has removed the run directory.
        await RunUntilKilledAsync(room);
        Directory.Delete(Path.Combine(room.DatastorePath, "tick"), recursive: true);
        Directory.Delete(Path.Combine(room.Path, "a", "machines"), recursive: true);

        var second = await room.OpenHostAsync("a");

        await MachineRoom.UntilAsync(() => Directory.GetDirectories(Path.Combine(room.Path, "a", "run")).Length == 0, "the run directory is gone");
        await MachineRoom.UntilAsync(second, s => s.Machines.Length == 0);
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    public async Task ARunWhoseRecordWentWithTheHostsPowerIsOverAndItsMachineCanBeStarted(string? record)
    {
        await using var room = MachineRoom.Open();
        var machine = await RunUntilKilledAsync(room);
        var path = Path.Combine(room.Path, "a", "run", machine.Spec!.Uuid.ToString("N"), "run.json");
        Assert.True(File.Exists(path));
        if (record is null)
            File.Delete(path);
        else
            await File.WriteAllTextAsync(path, record, Cancellation);
        room.Boot(machine);

        var second = await room.OpenHostAsync("a");

        await MachineRoom.UntilAsync(second, machine.Id, m => (m.Power, m.LockEpoch) == (PowerState.Off, machine.LockEpoch + 1));
        Assert.Equal("vm.died", Assert.Single(await EventsUntilStartedAsync(second, machine)).Kind);
    }

    [Fact]
    public async Task AMachineWhoseRunDirectoryWentWithTheHostsMemoryIsOffAndCanBeStarted()
    {
        await using var room = MachineRoom.Open();
        var machine = await RunUntilKilledAsync(room);
        Directory.Delete(Path.Combine(room.Path, "a", "run"), recursive: true);
        room.Boot(machine);

        var second = await room.OpenHostAsync("a");

        var found = Assert.Single((await second.ObserveAsync(Cancellation)).Machines);
        Assert.Equal((PowerState.Off, machine.LockEpoch + 1), (found.Power, found.LockEpoch));
        var died = Assert.Single(await EventsUntilStartedAsync(second, machine));
        Assert.Equal("vm.died", died.Kind);
        Assert.Contains("host went down", died.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMachineWhoseRunDirectoryWasRemovedWhileItRunsKeepsItsLock()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(first, "tick");
        await first.DisposeAsync();
        var pid = Assert.Single(room.LivingProcesses());
        var run = Path.Combine(room.Path, "a", "run", machine.Spec!.Uuid.ToString("N"));
        Directory.Move(run, run + ".away");

        var second = await room.OpenHostAsync("a");

        var found = Assert.Single((await second.ObserveAsync(Cancellation)).Machines);
        Assert.Equal((PowerState.Unknown, machine.LockEpoch), (found.Power, found.LockEpoch));
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));
        var told = await MachineRoom.NextEventAsync(second);
        Assert.Equal("vm.out-of-reach", told.Kind);
        Assert.Contains($"process {pid}", told.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(second, new StartMachine(machine.Id, 0)));
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));

        await second.DisposeAsync();
        Directory.Move(run + ".away", run);
        var third = await room.ReopenHostAsync("a");
        Assert.Equal(PowerState.On, Assert.Single((await third.ObserveAsync(Cancellation)).Machines).Power);
    }

    [Fact]
    public async Task AMachineWhoseSocketsAreNotAtTheirPlaceIsNeitherStartedAgainNorEnded()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(first, "tick");
        await first.DisposeAsync();
        var pid = Assert.Single(room.LivingProcesses());
        var run = new RunDirectory(Path.Combine(room.Path, "a", "run"), machine.Spec!.Uuid);
        // An earlier agent had them elsewhere.
        var elsewhere = Path.Combine(run.Path, "elsewhere");
        Directory.Move(run.Sockets, elsewhere);

        var second = await room.OpenHostAsync("a");

        var found = Assert.Single((await second.ObserveAsync(Cancellation)).Machines);
        Assert.Equal((PowerState.Unknown, machine.LockEpoch), (found.Power, found.LockEpoch));
        var start = MachineRoom.ExecuteAsync(second, new StartMachine(machine.Id, 0));
        Directory.Move(elsewhere, run.Sockets);
        await Assert.ThrowsAsync<FaultException>(() => start);
        await MachineRoom.UntilAsync(second, machine.Id, m => m.Power == PowerState.On);
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));
    }

    [Fact]
    public async Task AnAgentWhoseRunDirectoryHasTooLongAPathSaysSo()
    {
        await using var room = MachineRoom.Open();

        var fault = await Assert.ThrowsAsync<FaultException>(() => room.OpenHostAsync(new string('x', 60)));

        Assert.Contains("at most 60 bytes", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARestartedAgentAdoptsTwentyMachinesThatStandStill()
    {
        const int Machines = 20;
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        for (var number = 0; number < Machines; number++)
        {
            var machine = await room.CreateTickingAsync(first, $"m{number}");
            await MachineRoom.ExecuteAsync(first, new StartMachine(machine.Id, 0, Paused: true));
        }

        var processes = room.LivingProcesses().Order().ToList();
        Assert.Equal(Machines, processes.Count);
        await first.DisposeAsync();

        // How soon is for the bench to say.
        var second = await room.OpenHostAsync("a");
        await MachineRoom.UntilAsync(second, s => s.Machines.Length == Machines && s.Machines.All(m => m.Power == PowerState.Paused));
        Assert.Equal(processes, room.LivingProcesses().Order());
    }

    [Fact]
    public async Task AMachineThatRunsOnOneHostCannotBeStartedOnAnother()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var second = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(first, "tick");
        await MachineRoom.ExecuteAsync(second, new RegisterMachine(machine.Config));

        var refused = await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(second, new StartMachine(machine.Id, 0)));

        Assert.Equal("a", Assert.IsType<MachineLocked>(refused.Fault).Owner);
        Assert.Single(room.LivingProcesses());
    }

    [Fact]
    public async Task OfTwoHostsThatAreToldToStartAMachineAtOnceOneDoesAndTheOtherNamesIt()
    {
        await using var room = MachineRoom.Open();
        var hosts = new Dictionary<string, KvmHost> { ["a"] = await room.OpenHostAsync("a"), ["b"] = await room.OpenHostAsync("b") };
        var machine = await room.CreateTickingAsync(hosts["a"], "tick");
        await MachineRoom.ExecuteAsync(hosts["b"], new RegisterMachine(machine.Config));

        for (var round = 0; round < 3; round++)
        {
            var refusals = await Task.WhenAll(hosts.Values.Select(host => Task.Run(() => RefusalAsync(host, machine), Cancellation)));

            var winner = hosts.Keys.ElementAt(Array.IndexOf(refusals, null));
            Assert.Equal(winner, Assert.IsType<MachineLocked>(Assert.Single(refusals, r => r is not null)).Owner);
            Assert.Equal(room.ProcessOf(winner), Assert.Single(room.LivingProcesses()));
            using (var serial = await MachineRoom.OpenSerialAsync(hosts[winner], machine.Id))
                await TickingGuest.NextCountAsync(serial, Cancellation);
            await MachineRoom.ExecuteAsync(hosts[winner], new StopMachine(machine.Id));
        }
    }

    // Null where it started.
    private static async Task<Fault?> RefusalAsync(IHost host, HostMachine machine)
    {
        try
        {
            await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
            return null;
        }
        catch (FaultException e)
        {
            return e.Fault;
        }
    }

    /// <summary>Starts a machine; answers the events that a watcher of the host is told before that.</summary>
    private static async Task<List<HostEventRaised>> EventsUntilStartedAsync(IHost host, HostMachine machine)
    {
        var events = new List<HostEventRaised>();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(MachineRoom.Patience);
        await foreach (var change in host.WatchAsync(limit.Token))
        {
            if (change is HostObserved)
                await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
            else if (change is HostEventRaised raised)
                events.Add(raised);
            else if (change is MachineChanged { Machine.Power: PowerState.On })
                break;
        }

        return events;
    }
}
