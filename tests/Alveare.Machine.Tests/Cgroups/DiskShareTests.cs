using System.Globalization;
using System.Security.Cryptography;
using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Machine.Tests.Cgroups;

/// <summary>Machines on a disk of the host that the kernel shares by weight, or not.</summary>
public sealed class DiskShareTests
{
    private static readonly Bytes DiskSize = Bytes.FromMib(64);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMachineWeighsWhatItsDisksWeighTogetherAndThatIsChangedWhileItRuns()
    {
        await using var room = MachineRoom.Open();
        using var disk = new WeighedDisk(ImageIn(room), room.DatastorePath);
        var host = await room.OpenHostAsync("a");
        var (machine, pid) = await StartAsync(room, host);
        if (WeightOf(pid) is null)
            Assert.Skip("This kernel's control groups have no weights of disks.");
        Assert.Equal(100, WeightOf(pid));
        await SetAsync(host, machine, 2000);
        Assert.Equal(200, WeightOf(pid));
        await SetAsync(host, machine, 500);
        Assert.Equal(50, WeightOf(pid));

        await host.DisposeAsync();
        host = await room.OpenHostAsync("a");
        Assert.Equal(50, WeightOf(pid));
        await SetAsync(host, machine, null);
        Assert.Equal(100, WeightOf(pid));
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine));
    }

    [Fact]
    public async Task SharesOfADiskThatIsNotSharedByWeightAreAnEventWithTheReason()
    {
        await using var room = MachineRoom.Open();
        using var disk = new WeighedDisk(ImageIn(room), room.DatastorePath);
        disk.Schedule("none");
        var host = await room.OpenHostAsync("a");
        var (machine, _) = await StartAsync(room, host);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(MachineRoom.Patience);
        var said = NextEventAsync(host, limit.Token);
        await SetAsync(host, machine, 2000);
        var found = await said;
        Assert.Equal("vm.resources-not-enforced", found.Kind);
        Assert.Contains("the scheduler 'none', expected 'bfq'", found.Message, StringComparison.Ordinal);
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public async Task TwoMachinesOnOneDiskShareItByTheirShares(int ratio)
    {
        await using var room = MachineRoom.Open();
        using var slow = await SlowFile.OpenAsync(DiskSize, requestsPerSecond: 400);
        using var disk = new WeighedDisk(slow.Path, room.DatastorePath, strict: true);
        var host = await room.OpenHostAsync("a");
        var (one, other) = (await StartAsync(room, host, "one"), await StartAsync(room, host, "other"));
        if (WeightFileOf(one.Pid) is not { } ofOne || WeightFileOf(other.Pid) is not { } ofOther)
        {
            Assert.Skip("This kernel's control groups have no weights of disks.");
            return;
        }

        var file = Path.Combine(room.DatastorePath, "file");
        await File.WriteAllBytesAsync(file, RandomNumberGenerator.GetBytes((int)DiskSize.Value / 2), Cancellation);
        await SetAsync(host, one.Machine, 1000 * ratio);
        await SetAsync(host, other.Machine, 1000);
        await HoldsAsync(ofOne, ofOther, file, ratio);
        await SetAsync(host, one.Machine, 1000);
        await SetAsync(host, other.Machine, 1000 * ratio);
        await HoldsAsync(ofOther, ofOne, file, ratio);
        await MachineRoom.ExecuteAsync(host, new StopMachine(one.Machine));
        await MachineRoom.ExecuteAsync(host, new StopMachine(other.Machine));
    }

    // Bounds are wide, because readers on a busy machine are not always there when it is their turn, and as soon as they are: without weights it is 1 to 1,
    // however often it is measured.
    private static async Task HoldsAsync(string weightOfOne, string weightOfOther, string file, double ratio)
    {
        using var one = new DiskReaders(Path.GetDirectoryName(weightOfOne)!, file);
        using var other = new DiskReaders(Path.GetDirectoryName(weightOfOther)!, file);
        await MachineRoom.UntilAsync(() => Math.Min(one.Bytes, other.Bytes) > 256 * 1024, "both read from the disk");
        var ratios = new List<double>();
        while (ratios is [] || ratios[^1] < ratio * 0.65 || ratios[^1] > ratio * 1.5)
        {
            Assert.True(ratios.Count < 5, $"{ratio} to 1 are their shares, and it came to {string.Join(", ", ratios)}");
            ratios.Add(await RatioAsync(one, other));
        }
    }

    // Of so much that what the one who gets least has read is counted well, however long the disk takes for it.
    private static async Task<double> RatioAsync(DiskReaders one, DiskReaders other)
    {
        var before = (One: one.Bytes, Other: other.Bytes);
        await MachineRoom.UntilAsync(() => one.Bytes + other.Bytes > before.One + before.Other + Bytes.FromMib(8).Value, "the disk has served 8 MiB");
        return (double)(one.Bytes - before.One) / (other.Bytes - before.Other);
    }

    private static string ImageIn(MachineRoom room)
    {
        var image = Path.Combine(room.Path, "disk");
        using var file = File.OpenWrite(image);
        file.SetLength(DiskSize.Value);
        return image;
    }

    private static async Task<HostEventRaised> NextEventAsync(IHost host, CancellationToken cancellation)
    {
        await foreach (var change in host.WatchAsync(cancellation))
        {
            if (change is HostEventRaised raised)
                return raised;
        }

        throw new InvalidOperationException("The watch ended.");
    }

    private static async Task<(EntityId Machine, int Pid)> StartAsync(MachineRoom room, IHost host, string name = "tick")
    {
        var before = room.LivingProcesses();
        var machine = await room.StartTickingAsync(host, name);
        var pid = Assert.Single(room.LivingProcesses().Except(before));
        await MachineRoom.UntilAsync(() => GroupsOf(pid).Contains($"alveare-{host.Id.Uuid:N}", StringComparison.Ordinal), "QEMU is in its group");
        return (machine.Id, pid);
    }

    private static Task<HostReply> SetAsync(IHost host, EntityId machine, int? shares) =>
        MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, ResourceControls.None) { Disks = [new DiskControl { Shares = shares }] });

    // As the kernel has it, in the group of the process.
    private static int? WeightOf(int pid) =>
        WeightFileOf(pid) is { } file ? int.Parse(File.ReadAllText(file).Split(' ')[^1], CultureInfo.InvariantCulture) : null;

    private static string GroupsOf(int pid) => File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cgroup"));

    private static string? WeightFileOf(int pid)
    {
        var groups = GroupsOf(pid).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(':')[2]).ToArray();
        return File.ReadLines("/proc/mounts").Select(l => l.Split(' ')).Where(f => f[2] is "cgroup" or "cgroup2").Select(f => f[1])
            .SelectMany(root => groups.Where(g => g != "/").Select(group => root + group))
            .SelectMany(group => (string[])[$"{group}/blkio.bfq.weight", $"{group}/io.bfq.weight"])
            .FirstOrDefault(File.Exists);
    }
}
