using System.Globalization;
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
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMachineWeighsWhatItsDisksWeighTogetherAndThatIsChangedWhileItRuns()
    {
        await using var room = MachineRoom.Open();
        using var disk = new WeighedDisk(room.DatastorePath);
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
        using var disk = new WeighedDisk(room.DatastorePath);
        disk.Schedule("none");
        var host = await room.OpenHostAsync("a");
        var (machine, _) = await StartAsync(room, host);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(TimeSpan.FromSeconds(20));
        var said = NextEventAsync(host, limit.Token);
        await SetAsync(host, machine, 2000);
        var found = await said;
        Assert.Equal("vm.resources-not-enforced", found.Kind);
        Assert.Contains("the scheduler 'none', expected 'bfq'", found.Message, StringComparison.Ordinal);
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine));
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

    private static async Task<(EntityId Machine, int Pid)> StartAsync(MachineRoom room, IHost host)
    {
        var machine = await room.StartTickingAsync(host, "tick");
        return (machine.Id, Assert.Single(room.LivingProcesses()));
    }

    private static Task<HostReply> SetAsync(IHost host, EntityId machine, int? shares) =>
        MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, ResourceControls.None) { Disks = [new DiskControl { Shares = shares }] });

    // As the kernel has it, in the group of the process.
    private static int? WeightOf(int pid)
    {
        var groups = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/cgroup")).Select(l => l.Split(':')[2]).ToArray();
        var file = File.ReadLines("/proc/mounts").Select(l => l.Split(' ')).Where(f => f[2] is "cgroup" or "cgroup2").Select(f => f[1])
            .SelectMany(root => groups.Where(g => g != "/").Select(group => root + group))
            .SelectMany(group => (string[])[$"{group}/blkio.bfq.weight", $"{group}/io.bfq.weight"])
            .FirstOrDefault(File.Exists);
        return file is null ? null : int.Parse(File.ReadAllText(file).Split(' ')[^1], CultureInfo.InvariantCulture);
    }
}
