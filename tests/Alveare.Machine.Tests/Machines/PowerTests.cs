using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

public sealed class PowerTests
{
    [Fact]
    public async Task AMachineRunsItsGuestFromPowerOnToPowerOff()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "tick");

        var started = (MachineReply)await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        Assert.Equal(PowerState.On, started.Machine.Power);
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        var first = await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        var second = await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        Assert.Equal(first + 1, second);

        var stopped = (MachineReply)await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        Assert.Equal(PowerState.Off, stopped.Machine.Power);
        Assert.Empty(room.LivingProcesses());
        // The guest prints a count before it writes it.
        Assert.True(TickingGuest.ReadCount(room.DiskOf("tick")) >= first);
    }

    [Fact]
    public async Task AMachineStartsPausedAndGoesOnWhenResumed()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "tick");

        var started = (MachineReply)await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0, Paused: true));
        Assert.Equal(PowerState.Paused, started.Machine.Power);
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);

        var resumed = (MachineReply)await MachineRoom.ExecuteAsync(host, new ResumeMachine(machine.Id));
        Assert.Equal(PowerState.On, resumed.Machine.Power);
        // It is the first count that there is: nothing ran before.
        Assert.Equal(1u, await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken));

        var paused = (MachineReply)await MachineRoom.ExecuteAsync(host, new PauseMachine(machine.Id));
        Assert.Equal(PowerState.Paused, paused.Machine.Power);
        var before = TickingGuest.ReadCount(room.DiskOf("tick"));
        await MachineRoom.ExecuteAsync(host, new ResumeMachine(machine.Id));
        Assert.True(await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken) >= before);
    }

    [Fact]
    public async Task AResetMachineBeginsAnewInTheSameProcess()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        var pid = Assert.Single(room.LivingProcesses());
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        await TickingGuest.CountsUntilAsync(serial, n => n >= 3, TestContext.Current.CancellationToken);

        var reset = (MachineReply)await MachineRoom.ExecuteAsync(host, new ResetMachine(machine.Id));

        Assert.Equal(PowerState.On, reset.Machine.Power);
        await TickingGuest.CountsUntilAsync(serial, n => n == 1, TestContext.Current.CancellationToken);
        Assert.Equal(2u, await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken));
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));
    }
}
