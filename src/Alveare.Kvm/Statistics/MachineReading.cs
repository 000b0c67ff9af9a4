using System.Collections.Immutable;
using Alveare.Kvm.Networks;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Statistics;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Statistics;

/// <summary>The counters of one running machine at one moment; all but memory count up from 0 at the start of its QEMU.</summary>
/// <param name="ReadyNanoseconds">How long its virtual CPUs waited for a host CPU, all together.</param>
/// <param name="MemoryConsumed">What the process has resident, with its share alone of pages that KSM has merged.</param>
/// <param name="MemoryActive">What the guest uses of it (<see cref="BalloonState"/>).</param>
/// <param name="MemoryBallooned">What the guest has given back.</param>
internal sealed record MachineReading(
    EntityId Machine,
    DateTimeOffset At,
    int VirtualCpus,
    long CpuNanoseconds,
    long ReadyNanoseconds,
    Bytes MemoryConsumed,
    Bytes MemoryActive,
    Bytes MemoryBallooned,
    DiskCounters Disk,
    LinkCounters Network)
{
    /// <summary>What a machine has used when it starts.</summary>
    public static MachineReading Zero(EntityId machine, DateTimeOffset startedAt) =>
        new(machine, startedAt, 0, 0, 0, Bytes.Zero, Bytes.Zero, Bytes.Zero, default, default);

    /// <summary>Averages over the time since an earlier reading. A counter that went back (a device that was made anew) counts as still.</summary>
    /// <param name="span">That time as it passed: the dates are further apart, or the wrong way round, where the clock was set.</param>
    public MachineSample Since(MachineReading earlier, TimeSpan span)
    {
        var seconds = span.TotalSeconds;
        return new MachineSample
        {
            Machine = Machine,
            At = At,
            CpuPercent = Rate(earlier.CpuNanoseconds, CpuNanoseconds, seconds) / 1e9 * 100,
            CpuReadyPercent = VirtualCpus == 0 ? 0 : Math.Min(100, Rate(earlier.ReadyNanoseconds, ReadyNanoseconds, seconds) / 1e9 * 100 / VirtualCpus),
            MemoryConsumed = MemoryConsumed,
            MemoryActive = MemoryActive,
            MemoryBallooned = MemoryBallooned,
            DiskReadBytesPerSecond = Rate(earlier.Disk.ReadBytes, Disk.ReadBytes, seconds),
            DiskWriteBytesPerSecond = Rate(earlier.Disk.WrittenBytes, Disk.WrittenBytes, seconds),
            DiskReadsPerSecond = Rate(earlier.Disk.Reads, Disk.Reads, seconds),
            DiskWritesPerSecond = Rate(earlier.Disk.Writes, Disk.Writes, seconds),
            NetworkReceivedBytesPerSecond = Rate(earlier.Network.ReceivedBytes, Network.ReceivedBytes, seconds),
            NetworkSentBytesPerSecond = Rate(earlier.Network.SentBytes, Network.SentBytes, seconds),
        };
    }

    internal static double Rate(long from, long to, double seconds) => seconds <= 0 ? 0 : Math.Max(0, to - from) / seconds;
}

/// <summary>What a machine's disks have done, all together.</summary>
internal readonly record struct DiskCounters(long ReadBytes, long WrittenBytes, long Reads, long Writes);

/// <summary>What the devices of one machine have done since its start, each in order.</summary>
internal sealed record DeviceCounters(ImmutableArray<DiskCounters> Disks, ImmutableArray<LinkCounters> Nics)
{
    /// <summary>What they did a second since an earlier reading of the same run.</summary>
    public DeviceWork Since(DeviceCounters earlier, TimeSpan time)
    {
        var (disks, nics) = (Disks.Zip(earlier.Disks).ToList(), Nics.Zip(earlier.Nics).ToList());
        return new DeviceWork(
            [.. disks.Select(d => PerSecond(d.First.Reads + d.First.Writes - d.Second.Reads - d.Second.Writes))],
            [.. disks.Select(d => PerSecond(d.First.ReadBytes + d.First.WrittenBytes - d.Second.ReadBytes - d.Second.WrittenBytes))],
            [.. nics.Select(n => PerSecond(n.First.SentBytes - n.Second.SentBytes))],
            [.. nics.Select(n => PerSecond(n.First.ReceivedBytes - n.Second.ReceivedBytes))]);

        double PerSecond(long more) => Math.Max(0, more) / time.TotalSeconds;
    }
}
