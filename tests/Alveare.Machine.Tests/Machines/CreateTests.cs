using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

public sealed class CreateTests
{
    [Fact]
    public async Task ANewMachineHasItsDisksAndNothingIsOverwritten()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var config = new DatastorePath(room.Datastore, "new/new.vmx");
        var first = NewSpec(new DiskSpec("a.qcow2", Bytes.FromMib(8)), new DiskSpec("b.raw", Bytes.FromMib(4), DiskFormat.Raw));
        await MachineRoom.ExecuteAsync(host, new CreateMachine(config, first));
        var directory = Path.Combine(room.DatastorePath, "new");
        Assert.Equal(Bytes.FromMib(4).Value, new FileInfo(Path.Combine(directory, "b.raw")).Length);
        Assert.Equal("QFI\xfb"u8[..3].ToArray(), File.ReadAllBytes(Path.Combine(directory, "a.qcow2"))[..3]);
        var before = File.ReadAllBytes(Path.Combine(directory, "new.vmx"));

        Assert.IsType<FileExists>(await RefusedAsync(host, new CreateMachine(config, NewSpec())));
        Assert.IsType<FileExists>(await RefusedAsync(host, new CreateMachine(
            config.Sibling("other.vmx"), NewSpec(new DiskSpec("c.qcow2", Bytes.FromMib(1)), new DiskSpec("b.raw", Bytes.FromMib(1))))));

        Assert.Equal(before, File.ReadAllBytes(Path.Combine(directory, "new.vmx")));
        Assert.Equal(["a.qcow2", "b.raw", "new.vmx"], Directory.GetFiles(directory).Select(f => Path.GetFileName(f)).Order());
    }

    [Theory]
    [InlineData("../outside.vmx")]
    [InlineData("/outside.vmx")]
    [InlineData("a/../../outside.vmx")]
    public async Task APathThatLeavesTheDatastoreIsRefused(string path)
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var config = new DatastorePath(room.Datastore, path);
        Assert.IsType<InvalidPath>(await RefusedAsync(host, new CreateMachine(config, NewSpec())));
        Assert.IsType<InvalidPath>(await RefusedAsync(host, new RegisterMachine(config)));
        Assert.IsType<InvalidPath>(await RefusedAsync(
            host, new CreateMachine(new DatastorePath(room.Datastore, "in/in.vmx"), NewSpec(new DiskSpec(path, Bytes.FromMib(1))))));
    }

    [Fact]
    public async Task ABrokenConfigurationDoesNotKeepARestartedAgentFromOpening()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var config = new DatastorePath(room.Datastore, "new/new.vmx");
        await MachineRoom.ExecuteAsync(host, new CreateMachine(config, NewSpec()));
        await host.DisposeAsync();
        File.WriteAllText(Path.Combine(room.DatastorePath, "new", "new.vmx"), "\0 not a machine");

        host = await room.OpenHostAsync("a");
        var machine = Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines);
        Assert.Null(machine.Spec);
        Assert.Contains("binary", machine.InvalidReason, StringComparison.Ordinal);
    }

    private static MachineSpec NewSpec(params DiskSpec[] disks) => new()
    {
        Uuid = Guid.NewGuid(), Name = "new", Cpus = 1, Memory = Bytes.FromMib(32), Disks = [.. disks],
    };

    private static async Task<Fault> RefusedAsync(Core.Hosts.IHost host, HostCommand command) =>
        (await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(host, command))).Fault;
}
