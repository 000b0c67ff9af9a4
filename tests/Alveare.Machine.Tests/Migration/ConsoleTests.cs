using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

/// <summary>Consoles live as long as the QEMU that they show: at the source until the guest goes on at the destination.</summary>
public sealed class ConsoleTests : MovingMachine
{
    [Fact]
    public async Task ConsolesAreUsedWhileItIsTransferredAndOutliveItsCancellation()
    {
        using var serial = await MachineRoom.OpenSerialAsync(source, machine.Id);
        await using var screen = await VncViewer.OpenAsync(source, machine.Id);
        await TransferAsync(settings: Endless);

        await CountsOnAsync(serial);
        await screen.LookAsync();
        using var lateSerial = await MachineRoom.OpenSerialAsync(source, machine.Id);
        await using var lateScreen = await VncViewer.OpenAsync(source, machine.Id);
        await CountsOnAsync(lateSerial);
        await lateScreen.LookAsync();
        var count = TickingGuest.ReadCount(room.DiskOf("tick"));
        await lateSerial.BaseStream.WriteAsync("r"u8.ToArray(), TestContext.Current.CancellationToken);
        await TickingGuest.CountsUntilAsync(serial, c => c < count, TestContext.Current.CancellationToken);
        Assert.Equal(MigrationPhase.Transfer, Assert.Single((await source.ObserveAsync(TestContext.Current.CancellationToken)).Machines).Migration?.Phase);

        await MachineRoom.ExecuteAsync(source, new CancelMigration(migration));
        await FailsAsync(sending, runsOn: "a");
        await CountsOnAsync(serial);
        await CountsOnAsync(lateSerial);
        await screen.LookAsync();
        await lateScreen.LookAsync();
    }

    [Fact]
    public async Task ConsolesEndAtTheSwitchAndOpenAgainOnTheNewHost()
    {
        using var serial = await MachineRoom.OpenSerialAsync(source, machine.Id);
        await using var screen = await VncViewer.OpenAsync(source, machine.Id);
        await TransferAsync();
        await CountsOnAsync(serial);
        await screen.LookAsync();

        // All that it wrote there comes before the end.
        var last = await LastCountAsync(serial);
        await screen.EndedAsync();
        await sending;
        await arriving;
        using var again = await MachineRoom.OpenSerialAsync(target, machine.Id);
        await using var shown = await VncViewer.OpenAsync(target, machine.Id);
        await TickingGuest.CountsUntilAsync(again, c => c > last, TestContext.Current.CancellationToken);
        await shown.LookAsync();
    }

    [Fact]
    public async Task ConsolesOutliveASwitchThatComesToNothing()
    {
        using var serial = await MachineRoom.OpenSerialAsync(source, machine.Id);
        await using var screen = await VncViewer.OpenAsync(source, machine.Id);
        await SwitchWithoutDestinationAgentAsync();
        await FailsAsync(sending, runsOn: "a");

        await CountsOnAsync(serial);
        await screen.LookAsync();
    }

    /// <summary>What the guest writes from now on comes.</summary>
    private Task CountsOnAsync(StreamReader serial)
    {
        var count = TickingGuest.ReadCount(room.DiskOf("tick"));
        return TickingGuest.CountsUntilAsync(serial, c => c > count, TestContext.Current.CancellationToken);
    }

    private static async Task<uint> LastCountAsync(StreamReader serial)
    {
        var last = 0u;
        try
        {
            while (true)
                last = await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        }
        catch (EndOfStreamException)
        {
            return last;
        }
    }
}
