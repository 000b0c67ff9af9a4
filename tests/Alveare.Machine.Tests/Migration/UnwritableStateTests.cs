using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

/// <summary>The target of a migration cannot write down that it has the machine, because its state's disk is full or broken.</summary>
public sealed class UnwritableStateTests : MovingMachine
{
    private string Registry => Path.Combine(room.Path, "b", "machines");

    [Fact]
    public async Task AHostThatCannotWriteTheMachineDownRefusesItBeforeAnythingIsStarted()
    {
        Break();

        var refused = await Assert.ThrowsAsync<FaultException>(() => PrepareAsync());

        Assert.IsType<HostOperationFailed>(refused.Fault);
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task AMachineThatHasArrivedRunsOnAndIsWrittenDownAsSoonAsThatCanBeDone()
    {
        await TransferUnwritableAsync();

        Assert.IsType<SendFinished>(await sending);
        Assert.IsType<IncomingFinished>(await arriving);
        await RunsAsync(target);
        var told = await MachineRoom.NextEventAsync(target);
        Assert.Equal(("vm.not-written-down", machine.Id), (told.Kind, told.Subject));
        Mend();
        await MachineRoom.UntilAsync(() => File.Exists(Path.Combine(Registry, $"{machine.Id}.json")), "the machine is written down");

        await target.DisposeAsync();
        target = await room.ReopenHostAsync("b");
        await RunsOnlyAsync(target, "b");
    }

    [Fact]
    public async Task AMachineThatHasArrivedAndDiesIsOff()
    {
        await TransferUnwritableAsync();
        await sending;
        await arriving;

        MachineRoom.Kill(room.ProcessOf("b"));

        await IsOffAsync(target);
    }

    [Fact]
    public async Task AMachineThatArrivedIsKnownToTheNextAgentAfterACrashOfTheHost()
    {
        await TransferUnwritableAsync();
        await sending;
        await arriving;
        await CrashAsync();
        Mend();

        target = await room.OpenHostAsync("b");

        Assert.Equal("vm.died", (await MachineRoom.NextEventAsync(target)).Kind);
        await IsOffAsync(target);
    }

    [Fact]
    public async Task AMachineThatHasArrivedIsTheNextAgentsAlsoWhereItsLockCannotBeRead()
    {
        await TransferUnwritableAsync();
        await sending;
        await arriving;
        await target.DisposeAsync();
        Mend();

        using (TakeDatastoreAway())
        {
            target = await room.OpenHostAsync("b", mounts: false);
            await FailsAsync(MachineRoom.ExecuteAsync(target, new AwaitIncoming(migration)), runsOn: null);
            MachineRoom.Kill(room.ProcessOf("b"));
            await MachineRoom.UntilAsync(target, machine.Id, m => m.Power == PowerState.Unknown);
        }

        await IsOffAsync(target);
    }

    [Fact]
    public async Task AMachineThatDidNotArriveIsForgottenAfterACrashOfTheHost()
    {
        var uri = await PrepareAsync();
        await CrashAsync();
        await FailsAsync(SendAsync(uri), runsOn: "a");

        target = await room.OpenHostAsync("b");

        Assert.Empty((await target.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        Assert.Empty(Directory.GetFiles(Registry));
        await RunsOnlyAsync(source, "a");
    }

    /// <summary>The transfer begins after the target could write down last.</summary>
    private async Task TransferUnwritableAsync()
    {
        var uri = await PrepareAsync();
        Break();
        sending = SendAsync(uri);
    }

    /// <summary>A file in the place of a directory stands for a disk that cannot be written: modes do not hold up root.</summary>
    private void Break()
    {
        Directory.Move(Registry, Registry + ".away");
        File.WriteAllText(Registry, "");
    }

    private void Mend()
    {
        File.Delete(Registry);
        Directory.Move(Registry + ".away", Registry);
    }

    /// <summary>Ends the target's agent and QEMU, and what is in memory alone.</summary>
    private async Task CrashAsync()
    {
        var process = room.ProcessOf("b");
        await target.DisposeAsync();
        MachineRoom.Kill(process);
        await room.EndedAsync("b");
        Directory.Delete(Path.Combine(room.Path, "b", "run"), recursive: true);
        room.Boot(machine);
    }
}
