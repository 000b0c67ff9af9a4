using System.Diagnostics;
using Alveare.Machine.Tests.Clones;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

public sealed class StartFaultTests
{
    [Fact]
    public async Task AMissingDiskIsNamed()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "web");
        File.Delete(room.DiskOf("web"));

        Assert.Equal(room.DiskOf("web"), Assert.IsType<FileNotFoundFault>(await Cloning.RefusedAsync(host, new StartMachine(machine.Id, 0))).Path);

        TickingGuest.WriteDisk(room.DiskOf("web"));
        await Cloning.TicksAsync(host, machine);
    }

    [Fact]
    public async Task ACorruptDiskIsNamedWithWhatIsWrong()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await CreateAsync(room, host);
        var disk = Path.Combine(room.DatastorePath, "web", "web.qcow2");
        using (var file = new FileStream(disk, FileMode.Open))
            file.SetLength(4096);

        var fault = Assert.IsType<FileCorrupt>(await Cloning.RefusedAsync(host, new StartMachine(machine.Id, 0)));

        Assert.Equal(disk, fault.Path);
        Assert.Contains("cut off", fault.Reason);
    }

    [Fact]
    public async Task ADiskThatAnotherProcessHasOpenIsNamed()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        await room.StartTickingAsync(host, "first");
        var second = await room.CreateTickingAsync(host, "second");
        File.Delete(room.DiskOf("second"));
        // The same file under another machine's name: no lock of ours knows that.
        using (var link = Process.Start("ln", [room.DiskOf("first"), room.DiskOf("second")]))
            await link.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(room.DiskOf("second"), Assert.IsType<FileLocked>(await Cloning.RefusedAsync(host, new StartMachine(second.Id, 0))).Path);
        Assert.Single(room.LivingProcesses());
    }

    [Fact]
    public async Task AnInvalidConfigurationIsListedAndAMendedOneStarts()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.CreateTickingAsync(host, "web");
        var config = Path.Combine(room.DatastorePath, "web", "web.vmx");
        var good = File.ReadAllText(config);
        File.WriteAllText(config, good.Replace("numvcpus = \"1\"", "numvcpus = \"1000\""));

        Assert.Contains("'numvcpus' is '1000'", (await Cloning.RefusedAsync(host, new StartMachine(machine.Id, 0))).Message);
        Assert.NotNull(Assert.Single((await host.ObserveAsync(TestContext.Current.CancellationToken)).Machines).InvalidReason);

        File.WriteAllText(config, good);
        await MachineRoom.ExecuteAsync(host, new RegisterMachine(machine.Config));
        await Cloning.TicksAsync(host, machine);
    }

    [Fact]
    public async Task AUefiMachineBootsToItsFirmwareWithVariablesOfItsOwn()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var spec = new MachineSpec { Uuid = Guid.NewGuid(), Name = "efi", Cpus = 1, Memory = Bytes.FromMib(128), Firmware = Firmware.Uefi };
        var machine = ((MachineReply)await MachineRoom.ExecuteAsync(host, new CreateMachine(room.ConfigOf("efi"), spec))).Machine;

        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(MachineRoom.Patience);
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        string? line;
        do
            line = await serial.ReadLineAsync(limit.Token);
        while (line is not null && !line.Contains("BdsDxe", StringComparison.Ordinal));
        Assert.NotNull(line);
        Assert.True(new FileInfo(Path.Combine(room.DatastorePath, "efi", "efi.nvram")).Length > 64 * 1024);
    }

    private static async Task<HostMachine> CreateAsync(MachineRoom room, Core.Hosts.IHost host)
    {
        var spec = new MachineSpec
        {
            Uuid = Guid.NewGuid(), Name = "web", Cpus = 1, Memory = Bytes.FromMib(32), Disks = [new DiskSpec("web.qcow2", Bytes.FromMib(8))],
        };
        return ((MachineReply)await MachineRoom.ExecuteAsync(host, new CreateMachine(room.ConfigOf("web"), spec))).Machine;
    }
}
