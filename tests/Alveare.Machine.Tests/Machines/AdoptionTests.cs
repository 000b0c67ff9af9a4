using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

public sealed class AdoptionTests
{
    [Fact]
    public async Task ARestartedAgentFindsItsRunningMachineAndTheGuestNoticesNothing()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(first, "tick");
        var pid = Assert.Single(room.LivingProcesses());
        await first.DisposeAsync();

        var second = await room.OpenHostAsync("a");

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
        var first = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(first, "tick");
        await first.DisposeAsync();
        MachineRoom.Kill(Assert.Single(room.LivingProcesses()));
        await MachineRoom.UntilAsync(() => room.LivingProcesses().Count == 0, "QEMU has ended");

        var second = await room.OpenHostAsync("a");

        Assert.Equal(PowerState.Off, Assert.Single((await second.ObserveAsync(TestContext.Current.CancellationToken)).Machines).Power);
        var started = (MachineReply)await MachineRoom.ExecuteAsync(second, new StartMachine(machine.Id, 0));
        Assert.Equal(machine.LockEpoch + 2, started.Machine.LockEpoch);
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
}
