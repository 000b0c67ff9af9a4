using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

/// <summary>Whatever fails, whenever: the machine runs in exactly one place, or is off because its own QEMU died.</summary>
public sealed class FailureTests : MovingMachine
{
    /// <summary>The destination may take as long as an agent takes to start on a busy machine.</summary>
    private static readonly MigrationSettings Patient = Slow with { SwitchTimeout = MachineRoom.Patience };

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
        var settings = Slow with { TlsKey = MachineRoom.Ids.NewSecret() };
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
        await TransferAsync(settings: Endless);
        MachineRoom.Kill(room.ProcessOf("b"));

        await FailsAsync(sending, runsOn: "a");
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheSourcesQemuIsKilledInTransfer()
    {
        await TransferAsync(settings: Endless);
        MachineRoom.Kill(room.ProcessOf("a"));

        await FailsAsync(sending, runsOn: null);
        await FailsAsync(arriving);
        await IsOffAsync(source);
    }

    [Fact]
    public async Task TheNetworkIsCutInTransfer()
    {
        await using var link = new Link();
        await TransferAsync(link, Endless);
        link.Freeze();

        await FailsAsync(sending, runsOn: "a");
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheConnectionIsResetInTransfer()
    {
        await using var link = new Link();
        await TransferAsync(link, Endless);
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
        await TransferAsync(settings: Endless);
        await MachineRoom.ExecuteAsync(end == "a" ? source : target, new CancelMigration(migration));

        await FailsAsync(sending, runsOn: "a");
        await FailsAsync(arriving);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheSourcesQemuIsKilledInTransferWhileTheDatastoreIsAway()
    {
        await TransferAsync(settings: Endless);
        Directory.Move(room.DatastorePath, room.DatastorePath + "-away");
        MachineRoom.Kill(room.ProcessOf("a"));
        await FailsAsync(sending);
        await FailsAsync(arriving);
        await MachineRoom.UntilAsync(source, machine.Id, m => m.Power == PowerState.Off);
        Directory.Move(room.DatastorePath + "-away", room.DatastorePath);

        await IsOffAsync(source);
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
        await SwitchWithoutDestinationAgentAsync(Patient);
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
        await SwitchWithoutDestinationAgentAsync(Slow with { SwitchTimeout = TimeSpan.FromHours(1) });
        await MachineRoom.ExecuteAsync(source, new CancelMigration(migration));
        await FailsAsync(sending, runsOn: "a");
        target = await room.OpenHostAsync("b");
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task TheSourcesQemuIsKilledAtTheSwitch()
    {
        await source.DisposeAsync();
        source = await room.OpenHostAsync("a", o => o with { ClaimTimeAfterDeath = MachineRoom.Patience });
        await SwitchWithoutDestinationAgentAsync(Patient);
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
        await MachineRoom.UntilAsync(source, machine.Id, m => m.Migration is null && m.LockEpoch > machine.LockEpoch);
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
}
