using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Clones;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

/// <summary>What is refused for want of room is said so, leaves nothing behind, and works when there is room again.</summary>
public sealed class FullDiskTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task NoMachineIsCreatedOrClonedWhereADiskIsFull(bool isDatastore)
    {
        await using var room = MachineRoom.Open();
        var registry = Path.Combine(room.Path, "a", "machines");
        Directory.CreateDirectory(registry);
        await using var small = SmallFileSystem.Mount(isDatastore ? room.DatastorePath : registry, Bytes.FromMib(16));
        var host = await room.OpenHostAsync("a");
        var source = await CreateAsync(room, host, "source");
        small.Fill();

        foreach (var command in (HostCommand[])[Creation(room, "new"), Cloning.Command(room, source, "clone", CloneKind.Full), Cloning.Command(room, source, "clone", CloneKind.Linked)])
        {
            var refused = await Cloning.RefusedAsync(host, command);
            Assert.Equal(isDatastore ? typeof(DatastoreFull) : typeof(HostOperationFailed), refused.GetType());
            Assert.Contains(isDatastore ? "'shared' is full" : "No space left on device", refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(["source"], Directory.GetDirectories(room.DatastorePath).Select(d => Path.GetFileName(d)).Where(n => !n.StartsWith('.')));
        Assert.Equal(source, Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines));
        small.MakeRoom();
        await CreateAsync(room, host, "new");
        await Cloning.CloneAsync(room, host, source, "clone", CloneKind.Linked);
    }

    [Fact]
    public async Task AMachineIsDestroyedWhereThereIsNoRoomForItsLock()
    {
        await using var room = MachineRoom.Open();
        await using var small = SmallFileSystem.Mount(room.DatastorePath, Bytes.FromMib(16));
        var host = await room.OpenHostAsync("a");
        var machine = await CreateAsync(room, host, "old");
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0, Paused: true));
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        small.FillBytes();

        await MachineRoom.ExecuteAsync(host, new DestroyMachine(machine.Id));

        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "old")));
    }

    [Fact]
    public async Task ADatastoreThatCannotBeRememberedIsNotOffered()
    {
        await using var room = MachineRoom.Open();
        var state = Path.Combine(room.Path, "a");
        var host = await room.OpenHostAsync("a");
        var other = Path.Combine(room.Path, "other");
        Directory.CreateDirectory(other);
        var mount = new MountDatastore(EntityId.Datastore(Guid.NewGuid()), "other", other, Mark: true);
        // A directory in the file's place cannot be replaced.
        File.Move(Path.Combine(state, "registry.json"), Path.Combine(state, "registry.away"));
        Directory.CreateDirectory(Path.Combine(state, "registry.json", "full"));

        Assert.IsType<HostOperationFailed>(await Cloning.RefusedAsync(host, mount));

        Assert.Equal("shared", Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Datastores).Name);
    }

    private static async Task<HostMachine> CreateAsync(MachineRoom room, IHost host, string name) =>
        ((MachineReply)await MachineRoom.ExecuteAsync(host, Creation(room, name))).Machine;

    private static CreateMachine Creation(MachineRoom room, string name) => new(room.ConfigOf(name), new MachineSpec
    {
        Uuid = Guid.NewGuid(), Name = name, Cpus = 1, Memory = Bytes.FromMib(32), Disks = [new DiskSpec($"{name}.qcow2", Bytes.FromMib(1))],
    });
}
