using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

/// <summary>Whatever fails, whenever: the machine runs in exactly one place, or is off because its own QEMU died.</summary>
public sealed class FailureTests : IAsyncLifetime
{
    // The guest writes faster than this carries.
    private static readonly MigrationSettings Endless = Move.Slow with { MaxPause = TimeSpan.FromMilliseconds(1) };

    private readonly MachineRoom room = MachineRoom.Open();
    private readonly Guid migration = Guid.NewGuid();
    private KvmHost source = null!;
    private KvmHost target = null!;
    private HostMachine machine = null!;
    private Task<HostReply> sending = null!;
    private Task<HostReply> arriving = null!;

    public async ValueTask InitializeAsync()
    {
        source = await room.OpenHostAsync("a");
        target = await room.OpenHostAsync("b");
        machine = await room.StartTickingAsync(source, "tick");
        using var serial = await MachineRoom.OpenSerialAsync(source, machine.Id);
        await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync() => room.DisposeAsync();

    [Fact]
    public async Task TheDestinationsQemuIsKilledInPrepare()
    {
        var uri = await PrepareAsync();
        MachineRoom.Kill(room.ProcessOf("b"));

        await FailsAsync(SendAsync(uri), runsOn: "a");
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheSourcesQemuIsKilledInPrepare()
    {
        var uri = await PrepareAsync();
        MachineRoom.Kill(room.ProcessOf("a"));
        await MachineRoom.UntilAsync(source, machine.Id, m => m.Power == PowerState.Off);

        await Assert.ThrowsAsync<FaultException>(() => SendAsync(uri));
        await FailsAsync(arriving);
        await IsOffAsync(source);
    }

    [Fact]
    public async Task TheNetworkIsCutInPrepare()
    {
        await PrepareAsync();

        // Nobody listens on the discard port.
        await FailsAsync(SendAsync("tcp:127.0.0.1:9"), runsOn: "a");
        await MachineRoom.ExecuteAsync(target, new CancelMigration(migration));
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheSourceCannotBegin()
    {
        var settings = Move.Slow with { TlsKey = MachineRoom.Ids.NewSecret() };
        await PrepareAsync(settings);

        await FailsAsync(SendAsync("nowhere", settings), runsOn: "a");
        await FailsAsync(arriving);
        Assert.Empty(Directory.GetDirectories(Path.Combine(room.Path, "a", "run"), "tls", SearchOption.AllDirectories));
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheDestinationsAgentDiesInPrepareAndComesBack()
    {
        var uri = await PrepareAsync();
        await target.DisposeAsync();
        target = await room.OpenHostAsync("b");

        Assert.IsType<SendFinished>(await SendAsync(uri));
        await RunsOnlyAsync(target, "b");
    }

    [Fact]
    public async Task TheSourcesAgentDiesInPrepareAndComesBack()
    {
        var uri = await PrepareAsync();
        await source.DisposeAsync();
        source = await room.OpenHostAsync("a");

        Assert.IsType<SendFinished>(await SendAsync(uri));
        await RunsOnlyAsync(target, "b");
    }

    [Fact]
    public async Task TheDestinationsQemuIsKilledInTransfer()
    {
        await TransferAsync();
        MachineRoom.Kill(room.ProcessOf("b"));

        await FailsAsync(sending, runsOn: "a");
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheSourcesQemuIsKilledInTransfer()
    {
        await TransferAsync();
        MachineRoom.Kill(room.ProcessOf("a"));

        await FailsAsync(sending, runsOn: null);
        await FailsAsync(arriving);
        await IsOffAsync(source);
    }

    [Fact]
    public async Task TheNetworkIsCutInTransfer()
    {
        await using var link = new Link();
        await TransferAsync(link);
        link.Freeze();

        await FailsAsync(sending, runsOn: "a");
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheConnectionIsResetInTransfer()
    {
        await using var link = new Link();
        await TransferAsync(link);
        link.Reset();

        await FailsAsync(sending, runsOn: "a");
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public async Task ItIsCancelledInTransfer(string end)
    {
        await TransferAsync();
        await MachineRoom.ExecuteAsync(end == "a" ? source : target, new CancelMigration(migration));

        await FailsAsync(sending, runsOn: "a");
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheDatastoreIsAwayInTransferAndComesBack()
    {
        await TransferAsync(settings: Endless);
        Directory.Move(room.DatastorePath, room.DatastorePath + "-away");
        await FailsAsync(sending, runsOn: "a");
        await FailsAsync(arriving);
        Directory.Move(room.DatastorePath + "-away", room.DatastorePath);

        await MachineRoom.UntilAsync(source, machine.Id, m => m.Migration is null);
        await RunsOnlyAsync(source, "a");
    }

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
    public async Task ConsolesOutliveASwitchThatComesToNothing()
    {
        using var serial = await MachineRoom.OpenSerialAsync(source, machine.Id);
        await using var screen = await VncViewer.OpenAsync(source, machine.Id);
        await SwitchWithoutDestinationAgentAsync();
        await FailsAsync(sending, runsOn: "a");

        await CountsOnAsync(serial);
        await screen.LookAsync();
    }

    [Fact]
    public async Task TheSourcesAgentDiesInTransferAndComesBack()
    {
        await TransferAsync();
        await source.DisposeAsync();
        await arriving;
        await RunsAsync(target);
        source = await room.OpenHostAsync("a");

        await MachineRoom.RemovedAsync(source, machine.Id);
        await RunsOnlyAsync(target, "b");
    }

    [Fact]
    public async Task TheDestinationsAgentDiesInTransferAndComesBack()
    {
        await TransferAsync();
        await target.DisposeAsync();
        target = await room.OpenHostAsync("b");

        Assert.IsType<SendFinished>(await sending);
        Assert.IsType<IncomingFinished>(await MachineRoom.ExecuteAsync(target, new AwaitIncoming(migration)));
        await RunsOnlyAsync(target, "b");
    }

    [Fact]
    public async Task TheDestinationsAgentIsAwayAtTheSwitchAndComesBackInTime()
    {
        await SwitchWithoutDestinationAgentAsync();
        target = await room.OpenHostAsync("b");

        Assert.IsType<SendFinished>(await sending);
        await RunsOnlyAsync(target, "b");
    }

    [Fact]
    public async Task TheDestinationsAgentIsAwayAtTheSwitchAndComesBackTooLate()
    {
        await SwitchWithoutDestinationAgentAsync();
        await FailsAsync(sending, runsOn: "a");
        await RunsAsync(source);
        target = await room.OpenHostAsync("b");

        await MachineRoom.RemovedAsync(target, machine.Id);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheDestinationsQemuIsKilledAtTheSwitch()
    {
        await SwitchWithoutDestinationAgentAsync();
        MachineRoom.Kill(room.ProcessOf("b"));

        await FailsAsync(sending, runsOn: "a");
        target = await room.OpenHostAsync("b");
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task ASourceThatIsToldAtTheSwitchTakesTheMachineBackAndTheDestinationCannotHaveItAnyMore()
    {
        await SwitchWithoutDestinationAgentAsync(Move.Slow with { SwitchTimeout = TimeSpan.FromHours(1) });
        await MachineRoom.ExecuteAsync(source, new CancelMigration(migration));
        await FailsAsync(sending, runsOn: "a");
        target = await room.OpenHostAsync("b");
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheSourcesQemuIsKilledAtTheSwitch()
    {
        await SwitchWithoutDestinationAgentAsync();
        MachineRoom.Kill(room.ProcessOf("a"));
        target = await room.OpenHostAsync("b");

        Assert.IsType<SendFinished>(await sending);
        await RunsOnlyAsync(target, "b");
    }

    [Fact]
    public async Task BothAgentsDieAtTheSwitchAndTheSourceComesBackFirst()
    {
        await SwitchWithoutDestinationAgentAsync();
        await source.DisposeAsync();
        source = await room.OpenHostAsync("a");
        // Nobody claims the machine until the switch's time is over: then it is the source's again.
        await MachineRoom.UntilAsync(source, machine.Id, m => m.Migration is null);
        target = await room.OpenHostAsync("b");

        await MachineRoom.RemovedAsync(target, machine.Id);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheDestinationsQemuIsKilledAfterTheSwitch()
    {
        await TransferAsync();
        await sending;
        await arriving;
        MachineRoom.Kill(room.ProcessOf("b"));

        await MachineRoom.RemovedAsync(source, machine.Id);
        await IsOffAsync(target);
    }

    private async Task<string> PrepareAsync(MigrationSettings? settings = null)
    {
        var uri = await Move.PrepareAsync(source, target, machine, migration, settings ?? Move.Slow);
        arriving = MachineRoom.ExecuteAsync(target, new AwaitIncoming(migration));
        return uri;
    }

    private Task<HostReply> SendAsync(string uri, MigrationSettings? settings = null) =>
        MachineRoom.ExecuteAsync(source, new SendMachine(migration, machine.Id, target.Id, uri, settings ?? Move.Slow));

    /// <summary>The transfer has begun.</summary>
    private async Task TransferAsync(Link? link = null, MigrationSettings? settings = null)
    {
        var uri = await PrepareAsync(settings);
        sending = SendAsync(link is null ? uri : await link.ToAsync(uri), settings);
        await MachineRoom.UntilAsync(target, machine.Id, m => m.Migration?.Phase == MigrationPhase.Transfer);
    }

    /// <summary>Everything is sent, and nobody is there to take the machine over.</summary>
    private async Task SwitchWithoutDestinationAgentAsync(MigrationSettings? settings = null)
    {
        await TransferAsync(settings: settings);
        await target.DisposeAsync();
        await MachineRoom.UntilAsync(source, machine.Id, m => m.Migration?.Phase == MigrationPhase.Switch);
    }

    private static async Task FailsAsync(Task<HostReply> command, string? runsOn)
    {
        var failed = await Assert.ThrowsAsync<FaultException>(() => command.WaitAsync(MachineRoom.Patience));
        Assert.Equal(runsOn, Assert.IsType<MigrationFailed>(failed.Fault).RunsOn);
    }

    private static async Task FailsAsync(Task<HostReply> command) =>
        await Assert.ThrowsAsync<FaultException>(() => command.WaitAsync(MachineRoom.Patience));

    /// <summary>What the guest writes from now on comes.</summary>
    private Task CountsOnAsync(StreamReader serial)
    {
        var count = TickingGuest.ReadCount(room.DiskOf("tick"));
        return TickingGuest.CountsUntilAsync(serial, c => c > count, TestContext.Current.CancellationToken);
    }

    private async Task RunsAsync(IHost host)
    {
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        var count = await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        Assert.Equal(count + 1, await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken));
    }

    private async Task RunsOnlyAsync(IHost host, string name)
    {
        await RunsAsync(host);
        await MachineRoom.UntilAsync(() => room.LivingProcesses().Count == 1, "one QEMU is left");
        Assert.Equal(room.ProcessOf(name), Assert.Single(room.LivingProcesses()));
        var other = host == source ? target : source;
        await MachineRoom.RemovedAsync(other, machine.Id);
        var there = Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        Assert.Equal(PowerState.On, there.Power);
        Assert.Null(there.Migration);
        // It can be used as before: stopped, and started again.
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, there.LockEpoch));
        await RunsAsync(host);
    }

    private async Task IsOffAsync(IHost host)
    {
        await MachineRoom.UntilAsync(() => room.LivingProcesses().Count == 0, "no QEMU is left");
        await MachineRoom.UntilAsync(host, machine.Id, m => m is { Power: PowerState.Off, Migration: null });
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        await RunsAsync(host);
    }
}
