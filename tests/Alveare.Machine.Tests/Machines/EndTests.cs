using Alveare.Machine.Tests.Room;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

public sealed class EndTests
{
    [Fact]
    public async Task AKilledQemuIsAnEventWithItsCause()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        var raised = MachineRoom.NextEventAsync(host);

        MachineRoom.Kill(Assert.Single(room.LivingProcesses()));

        var died = await raised;
        Assert.Equal("vm.died", died.Kind);
        Assert.Equal(machine.Id, died.Subject);
        Assert.True(died.IsProblem);
        Assert.Contains("SIGKILL", died.Message);
        Assert.Equal(PowerState.Off, (await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines[0].Power);
    }

    [Fact]
    public async Task AGuestThatPowersItselfOffIsNoProblem()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        var raised = MachineRoom.NextEventAsync(host);
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);

        await serial.BaseStream.WriteAsync("p"u8.ToArray(), TestContext.Current.CancellationToken);

        var ended = await raised;
        Assert.Equal("vm.guest-powered-off", ended.Kind);
        Assert.False(ended.IsProblem);
    }

    [Fact]
    public async Task AGuestThatResetsItselfGoesOnInTheSameProcess()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        var pid = Assert.Single(room.LivingProcesses());
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        await TickingGuest.CountsUntilAsync(serial, n => n >= 3, TestContext.Current.CancellationToken);

        await serial.BaseStream.WriteAsync("r"u8.ToArray(), TestContext.Current.CancellationToken);

        await TickingGuest.CountsUntilAsync(serial, n => n == 1, TestContext.Current.CancellationToken);
        Assert.Equal(pid, Assert.Single(room.LivingProcesses()));
    }
}
