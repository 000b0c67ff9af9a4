using System.Globalization;
using Alveare.Core.Hosts;
using Alveare.Machine.Tests.Migration;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Machine.Tests.Machines;

/// <summary>Real guests that read as fast as they can: QEMU holds their disks to their limits.</summary>
public sealed class DiskControlTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ALimitHoldsFromTheStartAndIsChangedWhileTheGuestRuns()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await CreateAsync(room, host);
        await SetAsync(host, machine.Id, new DiskControl { IopsLimit = 50 });
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        var pid = Assert.Single(room.LivingProcesses());

        await HoldsAsync(pid, 50);
        await SetAsync(host, machine.Id, new DiskControl { IopsLimit = 120 });
        await HoldsAsync(pid, 120);
        await SetAsync(host, machine.Id, new DiskControl { BandwidthLimit = new Bytes(80 * ReadingGuest.RequestSize) });
        await HoldsAsync(pid, 80);
        await SetAsync(host, machine.Id, DiskControl.None);
        await ExceedsAsync(pid, 80);
    }

    [Fact]
    public async Task ALimitGoesWithTheMachineAndIsKeptByTheNextAgent()
    {
        await using var room = MachineRoom.Open();
        var source = await room.OpenHostAsync("a");
        var target = await room.OpenHostAsync("b");
        var machine = await CreateAsync(room, source);
        machine = ((MachineReply)await MachineRoom.ExecuteAsync(source, new StartMachine(machine.Id, 0))).Machine;
        await SetAsync(source, machine.Id, new DiskControl { IopsLimit = 60 });

        await Move.RunAsync(room, source, target, machine, new MigrationSettings());
        await MachineRoom.RemovedAsync(source, machine.Id);
        await HoldsAsync(room.ProcessOf("b"), 60);

        // One that ended after it had written a limit down and before it had told QEMU.
        await target.DisposeAsync();
        var config = System.IO.Path.Combine(room.DatastorePath, room.ConfigOf("reader").Path);
        await File.WriteAllTextAsync(config, (await File.ReadAllTextAsync(config, Cancellation)).Replace("throughputCap = \"60\"", "throughputCap = \"90\"", StringComparison.Ordinal), Cancellation);
        target = await room.OpenHostAsync("b");
        await MachineRoom.UntilAsync(target, machine.Id, m => m.Spec?.Disks[0].Control.IopsLimit == 90);
        await HoldsAsync(room.ProcessOf("b"), 90);
    }

    [Fact]
    public async Task APoolsLimitIsOfAllItsMachinesByTheirSharesAlsoForTheNextAgent()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machines = new[] { await CreateAsync(room, host, "large"), await CreateAsync(room, host, "small") };
        await SetAsync(host, machines[0].Id, new DiskControl { Shares = 2000 });
        await MachineRoom.ExecuteAsync(host, Pool(90, machines));
        var pids = new List<int>();
        foreach (var machine in machines)
        {
            await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
            pids.Add(Assert.Single(room.LivingProcesses(), p => !pids.Contains(p)));
        }

        await ShareAsync(pids, [60, 30]);
        await host.DisposeAsync();
        host = await room.OpenHostAsync("a");
        await ShareAsync(pids, [60, 30]);

        // What one leaves the other has, within a division or two.
        await MachineRoom.ExecuteAsync(host, new StopMachine(machines[0].Id));
        await ExceedsAsync(pids[1], 50);
        await HoldsAsync(pids[1], 90);
        await MachineRoom.ExecuteAsync(host, new ApplyPools([]));
        await ExceedsAsync(pids[1], 90);
    }

    private static ApplyPools Pool(int iops, HostMachine[] machines) => new([
        new HostPool(new EntityId(EntityKind.ResourcePool, Guid.NewGuid()), null, new CpuControl(), [.. machines.Select(m => m.Id)]) { Disk = new DiskControl { IopsLimit = iops } },
    ]);

    private static async Task<HostMachine> CreateAsync(MachineRoom room, IHost host, string name = "reader")
    {
        var machine = await room.CreateTickingAsync(host, name);
        ReadingGuest.WriteDisk(room.DiskOf(name));
        return machine;
    }

    private static Task<HostReply> SetAsync(IHost host, EntityId machine, DiskControl control) =>
        MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, ResourceControls.None) { Disks = [control] });

    private static Task HoldsAsync(int pid, double limit) => Rates.HoldAsync(() => RequestsPerSecondAsync(pid), limit);

    private static Task ShareAsync(IReadOnlyList<int> pids, double[] parts) => Rates.ShareAsync(() => Task.WhenAll(pids.Select(RequestsPerSecondAsync)), parts);

    // Half as much again as was allowed before.
    private static Task ExceedsAsync(int pid, double formerLimit) => Rates.ExceedAsync(() => RequestsPerSecondAsync(pid), formerLimit * 1.5);

    // Of requests that have come through to the host's file system. After a second in which whatever was let through at once has gone by.
    private static async Task<double> RequestsPerSecondAsync(int pid)
    {
        await MachineRoom.UntilAsync(() => ReadBytes(pid) > 64 * ReadingGuest.RequestSize, "the guest has booted and reads");
        await Task.Delay(1000, Cancellation);
        return await Rates.PerSecondAsync(() => ReadBytes(pid) / (double)ReadingGuest.RequestSize, TimeSpan.FromSeconds(4), Cancellation);
    }

    /// <summary>The bytes that a process has asked the host's disks for.</summary>
    internal static long ReadBytes(int pid) => long.Parse(
        File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/io")).Single(l => l.StartsWith("read_bytes:", StringComparison.Ordinal)).Split(' ')[1],
        CultureInfo.InvariantCulture);
}
