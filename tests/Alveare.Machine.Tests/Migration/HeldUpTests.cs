using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Migration;

/// <summary>A host has the machine, and something is in the way of its guest: no process is ended for that, and the guest goes on as soon as it can.</summary>
public sealed class HeldUpTests : MovingMachine
{
    [Fact]
    public async Task AGuestThatCannotGoOnAtTheDestinationGoesOnThereAsSoonAsItCan()
    {
        await TransferAsync();
        using (HoldDisk())
        {
            Assert.IsType<SendFinished>(await sending);
            await FailsAsync(arriving, runsOn: "b");
            await MachineRoom.UntilAsync(target, machine.Id, m => m is { Power: PowerState.Paused, Migration.Phase: MigrationPhase.Commit });
            Assert.Equal("vm.not-continued", (await MachineRoom.NextEventAsync(target)).Kind);
        }

        await MachineRoom.UntilAsync(target, machine.Id, m => m.Migration is null);
        await RunsOnlyAsync(target, "b");
    }

    [Fact]
    public async Task AMachineThatCannotGoOnAtTheDestinationCanBePoweredOffThere()
    {
        await TransferAsync();
        using (HoldDisk())
        {
            await FailsAsync(arriving, runsOn: "b");
            await MachineRoom.ExecuteAsync(target, new StopMachine(machine.Id));
        }

        await IsOffAsync(target);
    }

    [Fact]
    public async Task AMachineThatWasTakenBackAndCannotGoOnCanBePoweredOff()
    {
        await SwitchWithoutDestinationAgentAsync();
        using (HoldDisk())
        {
            await FailsAsync(sending, runsOn: "a");
            await MachineRoom.ExecuteAsync(source, new StopMachine(machine.Id));
        }

        target = await room.OpenHostAsync("b");
        await IsOffAsync(source);
    }

    [Fact]
    public async Task TheSourcesAgentDiesWhileItTakesTheMachineBackAndTheNextOneGoesOn()
    {
        await SwitchWithoutDestinationAgentAsync();
        using (HoldDisk())
        {
            await MachineRoom.UntilAsync(() => RecordOf("a")?.LockEpoch > machine.LockEpoch, "the source has the machine again");
            await source.DisposeAsync();
        }

        source = await room.OpenHostAsync("a");
        await MachineRoom.UntilAsync(source, machine.Id, m => m is { Power: PowerState.On, Migration: null });
        target = await room.OpenHostAsync("b");
        await RunsOnlyAsync(source, "a");
    }

    [Fact]
    public async Task ADestinationThatCannotReadTheLockWaitsForIt()
    {
        await SwitchWithoutDestinationAgentAsync(Slow with { SwitchTimeout = TimeSpan.FromHours(1) });
        await source.DisposeAsync();
        using (TakeDatastoreAway())
        {
            target = await room.OpenHostAsync("b", mounts: false);
            await FailsAsync(MachineRoom.ExecuteAsync(target, new AwaitIncoming(migration)), runsOn: null);
        }

        await MachineRoom.UntilAsync(target, machine.Id, m => m is { Power: PowerState.On, Migration: null });
        source = await room.OpenHostAsync("a");
        await RunsOnlyAsync(target, "b");
    }

    /// <summary>As another process that writes to the disk would, which QEMU's image locks are there against: byte 201 says that nobody else may write.
    /// Only a QEMU that begins to write takes notice.</summary>
    private FileStream HoldDisk()
    {
        var disk = new FileStream(room.DiskOf("tick"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        disk.Lock(201, 1);
        return disk;
    }

    private RunRecord? RecordOf(string host) =>
        RunRecord.Read(RunDirectory.FindAll(Path.Combine(room.Path, host, "run")).Single());
}
