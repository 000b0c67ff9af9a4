using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Clones;

public sealed class UefiCloneTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ACloneHasTheVariablesOfItsSource()
    {
        await using var room = MachineRoom.Open();
        var (host, source) = await CreateAsync(room);
        var variables = new byte[1 << 20];
        new Random(1).NextBytes(variables);
        await File.WriteAllBytesAsync(VariablesOf(room, "source"), variables, Cancellation);

        await Cloning.CloneAsync(room, host, source, "clone", CloneKind.Linked);

        Assert.Equal(variables, await File.ReadAllBytesAsync(VariablesOf(room, "clone"), Cancellation));
    }

    [Fact]
    public async Task ALinkInThePlaceOfVariablesIsNeitherClonedNorStarted()
    {
        await using var room = MachineRoom.Open();
        var (host, source) = await CreateAsync(room);
        var secret = Path.Combine(room.Path, "secret");
        await File.WriteAllTextAsync(secret, "secret", Cancellation);
        File.CreateSymbolicLink(VariablesOf(room, "source"), secret);

        Assert.IsType<InvalidPath>(await Cloning.RefusedAsync(host, Cloning.Command(room, source, "clone", CloneKind.Linked)));
        Assert.IsType<InvalidPath>(await Cloning.RefusedAsync(host, new StartMachine(source.Id, 0)));

        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "clone")));
        Assert.Empty(room.LivingProcesses());
    }

    [Fact]
    public async Task VariablesThatFindNoRoomAreAFaultAndLeaveNothingBehind()
    {
        await using var room = MachineRoom.Open();
        await using var small = SmallFileSystem.Mount(room.DatastorePath, Bytes.FromMib(12));
        var (host, source) = await CreateAsync(room);
        await File.WriteAllBytesAsync(VariablesOf(room, "source"), new byte[6 << 20], Cancellation);

        Assert.IsType<DatastoreFull>(await Cloning.RefusedAsync(host, Cloning.Command(room, source, "clone", CloneKind.Linked)));

        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "clone")));
    }

    [Fact]
    public async Task VariablesThatNobodyWroteAreNotRead()
    {
        await using var room = MachineRoom.Open();
        var (host, source) = await CreateAsync(room);
        using (var huge = File.Create(VariablesOf(room, "source")))
            huge.SetLength(1L << 40);

        Assert.IsType<FileCorrupt>(await Cloning.RefusedAsync(host, Cloning.Command(room, source, "clone", CloneKind.Linked)));
    }

    private static string VariablesOf(MachineRoom room, string name) => Path.Combine(room.DatastorePath, name, $"{name}.nvram");

    private static async Task<(IHost Host, HostMachine Source)> CreateAsync(MachineRoom room)
    {
        var host = await room.OpenHostAsync("a");
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(), Name = "source", Cpus = 1, Memory = Bytes.FromMib(32), Firmware = Firmware.Uefi,
            Disks = [new DiskSpec("source.qcow2", Bytes.FromMib(1))],
        };
        return (host, ((MachineReply)await MachineRoom.ExecuteAsync(host, new CreateMachine(room.ConfigOf("source"), spec))).Machine);
    }
}
