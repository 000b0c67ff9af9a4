using Alveare.Machine.Tests.Clones;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

public sealed class ReconfigureTests
{
    [Fact]
    public async Task AnOffMachineIsGivenMoreAndStillRuns()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "tick");
        var wanted = machine.Spec! with
        {
            Name = "renamed",
            Cpus = 2,
            Memory = Bytes.FromMib(48),
            Disks = [machine.Spec.Disks[0] with { Capacity = Bytes.FromMib(2) }, new DiskSpec("more.qcow2", Bytes.FromMib(4))],
        };

        var reply = (MachineReply)await MachineRoom.ExecuteAsync(host, new ReconfigureMachine(machine.Id, wanted));

        Assert.Equal(wanted, reply.Machine.Spec);
        Assert.Equal(Bytes.FromMib(2).Value, new FileInfo(room.DiskOf("tick")).Length);
        Assert.True(File.Exists(Path.Combine(room.DatastorePath, "tick", "more.qcow2")));
        Assert.Equal(reply, await MachineRoom.ExecuteAsync(host, new ReconfigureMachine(machine.Id, wanted)));
        await Cloning.TicksAsync(host, reply.Machine);
        Assert.IsType<InvalidPowerState>(await Cloning.RefusedAsync(host, new ReconfigureMachine(machine.Id, wanted with { Cpus = 1 })));
    }

    [Fact]
    public async Task ADiskDoesNotShrinkAndARefusalChangesNothing()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "tick");
        var spec = machine.Spec!;
        File.WriteAllText(Path.Combine(room.DatastorePath, "tick", "taken.qcow2"), "somebody's");

        Assert.IsType<InvalidArgument>(await Cloning.RefusedAsync(host, new ReconfigureMachine(
            machine.Id, spec with { Disks = [spec.Disks[0] with { Capacity = new Bytes(512 * 1024) }] })));
        Assert.IsType<InvalidArgument>(await Cloning.RefusedAsync(host, new ReconfigureMachine(machine.Id, spec with { Uuid = Guid.NewGuid() })));
        Assert.IsType<FileExists>(await Cloning.RefusedAsync(host, new ReconfigureMachine(
            machine.Id, spec with { Disks = [.. spec.Disks, new DiskSpec("new.qcow2", Bytes.FromMib(1)), new DiskSpec("taken.qcow2", Bytes.FromMib(1))] })));

        var now = Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        Assert.Equal(spec, now.Spec);
        Assert.False(File.Exists(Path.Combine(room.DatastorePath, "tick", "new.qcow2")));
        Assert.Equal("somebody's", File.ReadAllText(Path.Combine(room.DatastorePath, "tick", "taken.qcow2")));
    }

    [Fact]
    public async Task ATemplateIsNotStartedUntilItIsAMachineAgain()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "tick");
        await MachineRoom.ExecuteAsync(host, new ReconfigureMachine(machine.Id, machine.Spec! with { IsTemplate = true }));
        Assert.IsType<InvalidState>(await Cloning.RefusedAsync(host, new StartMachine(machine.Id, 0)));

        await MachineRoom.ExecuteAsync(host, new ReconfigureMachine(machine.Id, machine.Spec!));

        await Cloning.TicksAsync(host, machine);
    }

    [Fact]
    public async Task AMachineThatRunsIsNeitherForgottenNorDestroyedAndAnOffOneIs()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var other = await room.OpenHostAsync("b");
        var machine = await room.StartTickingAsync(host, "tick");
        await MachineRoom.ExecuteAsync(other, new RegisterMachine(machine.Config));
        Assert.IsType<InvalidPowerState>(await Cloning.RefusedAsync(host, new UnregisterMachine(machine.Id)));
        Assert.IsType<InvalidPowerState>(await Cloning.RefusedAsync(host, new DestroyMachine(machine.Id)));
        Assert.IsType<MachineLocked>(await Cloning.RefusedAsync(other, new DestroyMachine(machine.Id)));
        Assert.IsType<MachineLocked>(await Cloning.RefusedAsync(other, new ReconfigureMachine(machine.Id, machine.Spec! with { Cpus = 2 })));
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        File.WriteAllText(Path.Combine(room.DatastorePath, "tick", "notes.txt"), "somebody's");

        await MachineRoom.ExecuteAsync(other, new UnregisterMachine(machine.Id));
        Assert.True(File.Exists(room.DiskOf("tick")));
        await MachineRoom.ExecuteAsync(host, new DestroyMachine(machine.Id));

        Assert.Equal(["notes.txt"], Directory.GetFileSystemEntries(Path.Combine(room.DatastorePath, "tick")).Select(e => Path.GetFileName(e)));
        Assert.Empty((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        Assert.IsType<NotFound>(await Cloning.RefusedAsync(host, new DestroyMachine(machine.Id)));
    }

    [Fact]
    public async Task AMachineThatRunsIsPoweredOffAndDestroyedAtOnceWhenThatIsAskedFor()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");

        await MachineRoom.ExecuteAsync(host, new DestroyMachine(machine.Id, PowerOff: true));

        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "tick")));
        Assert.Empty((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        await MachineRoom.UntilAsync(() => Directory.GetDirectories(Path.Combine(room.Path, "a", "run")).Length == 0, "nothing of the run is left");
    }

    [Fact]
    public async Task OneThatMayNotBeDestroyedRunsOn()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        File.WriteAllText(Path.Combine(room.DatastorePath, machine.Config.Path), "no configuration");

        Assert.IsType<InvalidMachine>(await Cloning.RefusedAsync(host, new DestroyMachine(machine.Id, PowerOff: true)));

        Assert.Equal(PowerState.On, Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines).Power);
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task OneThatCannotBeDestroyedOnceItIsPoweredOffIsOffAndIsStartedAgain()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        var disk = room.DiskOf("tick");
        // The kernel deletes no file on which something is mounted.
        NetworkDevices.Run("mount", "--bind", disk, disk);
        try
        {
            Assert.IsType<HostOperationFailed>(await Cloning.RefusedAsync(host, new DestroyMachine(machine.Id, PowerOff: true)));
        }
        finally
        {
            NetworkDevices.Run("umount", "--lazy", disk);
        }

        Assert.Equal(PowerState.Off, Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines).Power);
        await Cloning.TicksAsync(host, machine);
    }
}
