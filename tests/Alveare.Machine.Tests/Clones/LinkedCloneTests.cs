using Alveare.Kvm;
using Alveare.Kvm.Files;
using Alveare.Machine.Tests.Room;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Clones;

public sealed class LinkedCloneTests
{
    [Fact]
    public async Task ALinkedCloneRunsOnAnyHostAndItsSourceStaysAsItIs()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var second = await room.OpenHostAsync("b");
        var source = await room.CreateTickingAsync(first, "source");
        var before = File.ReadAllBytes(room.DiskOf("source"));

        var clone = await Cloning.CloneAsync(room, first, source, "clone", CloneKind.Linked);

        Assert.Equal("../source/source.raw", Qcow2Header.ReadBackingFile(Cloning.DiskOf(room, "clone")));
        await Cloning.TicksAsync(first, clone);
        await MachineRoom.ExecuteAsync(first, new StopMachine(clone.Id));
        await MachineRoom.ExecuteAsync(first, new UnregisterMachine(clone.Id));
        await MachineRoom.ExecuteAsync(second, new RegisterMachine(clone.Config));
        await Cloning.TicksAsync(second, clone);
        Assert.Equal(before, File.ReadAllBytes(room.DiskOf("source")));
    }

    [Fact]
    public async Task ASourceWithLinkedClonesIsNeitherDestroyedNorStartedOnAnyHostUntilTheyAreGone()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var source = await room.CreateTickingAsync(first, "source");
        var clone = await Cloning.CloneAsync(room, first, source, "clone", CloneKind.Linked);
        var second = await room.OpenHostAsync("b");
        await MachineRoom.ExecuteAsync(second, new RegisterMachine(source.Config));
        await first.DisposeAsync();
        first = await room.OpenHostAsync("a");

        foreach (var host in (KvmHost[])[first, second])
        {
            Assert.Contains("'clone'", Assert.IsType<ObjectInUse>(await Cloning.RefusedAsync(host, new DestroyMachine(source.Id))).By);
            Assert.IsType<ObjectInUse>(await Cloning.RefusedAsync(host, new StartMachine(source.Id, 0)));
        }

        await MachineRoom.ExecuteAsync(first, new DestroyMachine(clone.Id));
        await MachineRoom.ExecuteAsync(second, new DestroyMachine(source.Id));
        Assert.DoesNotContain(Directory.GetFileSystemEntries(room.DatastorePath), e => !Path.GetFileName(e).StartsWith('.'));
    }

    [Fact]
    public async Task ACloneWhoseDirectoryWasMovedStillKeepsItsSource()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var source = await room.CreateTickingAsync(host, "source");
        var clone = await Cloning.CloneAsync(room, host, source, "clone", CloneKind.Linked);
        await MachineRoom.ExecuteAsync(host, new UnregisterMachine(clone.Id));
        Directory.Move(Path.Combine(room.DatastorePath, "clone"), Path.Combine(room.DatastorePath, "moved"));
        File.Delete(Directory.GetFiles(Path.Combine(room.DatastorePath, "source", "clones"))[0]);

        await MachineRoom.ExecuteAsync(host, new RegisterMachine(new DatastorePath(room.Datastore, "moved/clone.vmx")));

        Assert.IsType<ObjectInUse>(await Cloning.RefusedAsync(host, new DestroyMachine(source.Id)));
    }

    [Fact]
    public async Task ARunningMachineIsNotCloned()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var second = await room.OpenHostAsync("b");
        var source = await room.StartTickingAsync(first, "source");

        foreach (var kind in (CloneKind[])[CloneKind.Linked, CloneKind.Full])
        {
            var refused = await Cloning.RefusedAsync(second, Cloning.Command(room, source, "clone", kind));
            Assert.Equal("a", Assert.IsType<MachineLocked>(refused).Owner);
        }

        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "clone")));
        await MachineRoom.ExecuteAsync(first, new StopMachine(source.Id));
        await MachineRoom.ExecuteAsync(first, new DestroyMachine(source.Id));
    }

    [Fact]
    public async Task TheSameCommandAgainAnswersTheSame()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var source = await room.CreateTickingAsync(host, "source");
        var command = Cloning.Command(room, source, "clone", CloneKind.Linked);

        var answers = await Task.WhenAll(MachineRoom.ExecuteAsync(host, command), MachineRoom.ExecuteAsync(host, command));

        Assert.Equal(answers[0], answers[1]);
        Assert.IsType<FileExists>(await Cloning.RefusedAsync(host, Cloning.Command(room, source, "clone", CloneKind.Linked)));
        Assert.IsType<ObjectInUse>(await Cloning.RefusedAsync(host, new DestroyMachine(source.Id)));
    }
}
