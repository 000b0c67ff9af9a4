using System.Globalization;
using Alveare.Kvm.Networks;
using Alveare.Model;
using Alveare.Model.Statistics;

namespace Alveare.Kvm.Statistics;

/// <summary>The counters of this host at one moment.</summary>
/// <param name="CpuTicks">Time its CPUs were busy, all together, in the kernel's ticks of a hundredth of a second.</param>
internal sealed record HostReading(DateTimeOffset At, long CpuTicks, Bytes MemoryUsed, LinkCounters Network)
{
    private const double TicksPerSecond = 100;

    /// <summary>Reads the text of /proc/stat and /proc/meminfo.</summary>
    public static HostReading Parse(DateTimeOffset at, string stat, string memoryInfo, LinkCounters network)
    {
        // user nice system idle iowait irq softirq steal; guest time is part of user's.
        var cpu = stat[..stat.IndexOf('\n', StringComparison.Ordinal)]
            .Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8)
            .Select(n => long.Parse(n, CultureInfo.InvariantCulture)).ToArray();
        var used = Kibibytes(memoryInfo, "MemTotal:") - Kibibytes(memoryInfo, "MemAvailable:");
        return new HostReading(at, cpu.Sum() - cpu[3] - cpu[4], new Bytes(used * 1024), network);
    }

    /// <summary>Averages over the time since an earlier reading.</summary>
    /// <param name="span">That time as it passed: the dates are further apart, or the wrong way round, where the clock was set.</param>
    public HostSample Since(HostReading earlier, TimeSpan span, EntityId host, int runningMachines)
    {
        var seconds = span.TotalSeconds;
        return new HostSample
        {
            Host = host,
            At = At,
            CpuPercent = MachineReading.Rate(earlier.CpuTicks, CpuTicks, seconds) / TicksPerSecond * 100,
            MemoryUsed = MemoryUsed,
            NetworkReceivedBytesPerSecond = MachineReading.Rate(earlier.Network.ReceivedBytes, Network.ReceivedBytes, seconds),
            NetworkSentBytesPerSecond = MachineReading.Rate(earlier.Network.SentBytes, Network.SentBytes, seconds),
            RunningMachines = runningMachines,
        };
    }

    private static long Kibibytes(string memoryInfo, string key)
    {
        var start = memoryInfo.IndexOf(key, StringComparison.Ordinal);
        if (start < 0)
            return 0;
        var line = memoryInfo.AsSpan(start + key.Length);
        return long.Parse(line[..line.IndexOf('k')].Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
    }
}
