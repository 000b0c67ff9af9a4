using System.Diagnostics;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Clones;

/// <summary>Somebody who may put files into a datastore must not read others through a clone.</summary>
public sealed class HostileSourceTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(CloneKind.Full, "{0}/secret")]
    [InlineData(CloneKind.Linked, "{0}/secret")]
    [InlineData(CloneKind.Full, "../../secret")]
    [InlineData(CloneKind.Full, "nbd:127.0.0.1:9")]
    [InlineData(CloneKind.Full, "json:{{\"driver\":\"file\",\"filename\":\"{0}/secret\"}}")]
    public async Task ADiskThatStandsOnSomethingOutsideOfItsDatastoreIsNotCloned(CloneKind kind, string backing)
    {
        await using var room = MachineRoom.Open();
        var (host, source) = await CreateAsync(room);
        await MakeDiskAsync(room, "-u", "-b", string.Format(null, backing, room.Path), "-F", "raw");

        var refused = Assert.IsType<FileCorrupt>(await Cloning.RefusedAsync(host, Cloning.Command(room, source, "clone", kind)));

        Assert.Contains("it stands on", refused.Reason, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "clone")));
    }

    [Theory]
    [InlineData(CloneKind.Full)]
    [InlineData(CloneKind.Linked)]
    public async Task ADiskThatKeepsItsDataInAnotherFileIsNotCloned(CloneKind kind)
    {
        await using var room = MachineRoom.Open();
        var (host, source) = await CreateAsync(room);
        await MakeDiskAsync(room, "-o", $"data_file={room.Path}/secret,data_file_raw=on");

        var refused = Assert.IsType<FileCorrupt>(await Cloning.RefusedAsync(host, Cloning.Command(room, source, "clone", kind)));

        Assert.Contains("its data in another file", refused.Reason, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(room.DatastorePath, "clone")));
    }

    private static async Task<(Core.Hosts.IHost Host, HostMachine Source)> CreateAsync(MachineRoom room)
    {
        var host = await room.OpenHostAsync("a");
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(), Name = "source", Cpus = 1, Memory = Bytes.FromMib(32), Disks = [new DiskSpec("source.qcow2", Bytes.FromMib(1))],
        };
        var reply = (MachineReply)await MachineRoom.ExecuteAsync(host, new CreateMachine(room.ConfigOf("source"), spec));
        await File.WriteAllBytesAsync(Path.Combine(room.Path, "secret"), new byte[1 << 20], Cancellation);
        return (host, reply.Machine);
    }

    private static async Task MakeDiskAsync(MachineRoom room, params string[] options)
    {
        var disk = Cloning.DiskOf(room, "source");
        File.Delete(disk);
        using var made = Process.Start("qemu-img", ["create", "-q", "-f", "qcow2", .. options, disk, "1M"]);
        await made.WaitForExitAsync(Cancellation);
        Assert.Equal(0, made.ExitCode);
    }
}
