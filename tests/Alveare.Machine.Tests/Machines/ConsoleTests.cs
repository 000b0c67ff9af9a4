using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Clones;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

public sealed class ConsoleTests
{
    [Fact]
    public async Task WhatAGuestWritesToItsSerialLineIsInItsDirectoryToo()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);

        var count = await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);

        Assert.Contains($"{count:x8}", await File.ReadAllTextAsync(
            Path.Combine(room.DatastorePath, "tick", "tick.serial.log"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task SeveralViewersSeeOneSerialLineAndWhoDoesNotReadHindersNeitherThemNorTheGuest()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        await using var idle = await host.OpenAsync(new HostChannel(machine.Id, HostChannelKind.Serial), TestContext.Current.CancellationToken);
        using var first = await MachineRoom.OpenSerialAsync(host, machine.Id);
        var before = await TickingGuest.NextCountAsync(first, TestContext.Current.CancellationToken);
        using (var second = await MachineRoom.OpenSerialAsync(host, machine.Id))
            Assert.True(await TickingGuest.NextCountAsync(second, TestContext.Current.CancellationToken) >= before);

        Assert.True(await TickingGuest.NextCountAsync(first, TestContext.Current.CancellationToken) > before);
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        await idle.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task TheScreenIsShownOverVnc()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");

        await using var viewer = await VncViewer.OpenAsync(host, machine.Id);
        await viewer.LookAsync();
    }

    [Fact]
    public async Task TheLogTellsWhatHappenedAndIsThereWhenTheMachineIsOff()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        await MachineRoom.ExecuteAsync(host, new ShutDownGuest(machine.Id));
        // The ticking guest knows no power button, so it runs on.
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));

        // Whoever waits for the end is answered first.
        await MachineRoom.UntilAsync(() => ReadLogAsync(host, machine).Result.Contains("QEMU ended", StringComparison.Ordinal), "the log tells of the end");
        Assert.Matches(
            "QEMU started, lock epoch 1: .*qemu-system-x86_64 .*\n.*power button.*\n.*QEMU ended \\(PoweredOff\\)", await ReadLogAsync(host, machine));
        Assert.IsType<InvalidPowerState>(await Cloning.RefusedAsync(host, new ShutDownGuest(machine.Id)));
    }

    private static async Task<string> ReadLogAsync(IHost host, HostMachine machine)
    {
        using var log = new StreamReader(
            await host.OpenAsync(new HostChannel(machine.Id, HostChannelKind.Log), TestContext.Current.CancellationToken));
        return await log.ReadToEndAsync(TestContext.Current.CancellationToken);
    }
}
