using System.Collections.Immutable;
using System.Text.Json;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;

namespace Alveare.Kvm.Statistics;

/// <summary>What a machine's disks have done, as its QEMU counts it.</summary>
internal static class BlockStatistics
{
    public static Task<DiskCounters> ReadAsync(QmpConnection qmp, TimeSpan timeout) => qmp.ExecuteAsync("query-blockstats", Parse, timeout: timeout);

    /// <summary>Sums up the answer to query-blockstats, one element per drive.</summary>
    public static DiskCounters Parse(JsonElement drives)
    {
        var sum = default(DiskCounters);
        foreach (var drive in drives.EnumerateArray())
        {
            var one = CountersOf(drive);
            sum = new DiskCounters(sum.ReadBytes + one.ReadBytes, sum.WrittenBytes + one.WrittenBytes, sum.Reads + one.Reads, sum.Writes + one.Writes);
        }

        return sum;
    }

    /// <summary>The counters of each of a machine's disks, in order.</summary>
    public static Task<ImmutableArray<DiskCounters>> ReadEachAsync(QmpConnection qmp, int disks, TimeSpan timeout) =>
        qmp.ExecuteAsync("query-blockstats", drives => ParseEach(drives, disks), timeout: timeout);

    /// <summary>Finds the machine's disks among all drives by their devices.</summary>
    public static ImmutableArray<DiskCounters> ParseEach(JsonElement drives, int disks)
    {
        var byDevice = new Dictionary<string, DiskCounters>();
        foreach (var drive in drives.EnumerateArray())
        {
            if (drive.TryGetProperty("qdev", out var device) && device.GetString() is { } path)
                byDevice[path] = CountersOf(drive);
        }

        return [.. Enumerable.Range(0, disks).Select(i => byDevice.GetValueOrDefault(DiskThrottle.BackendOf(i)))];
    }

    private static DiskCounters CountersOf(JsonElement drive)
    {
        var stats = drive.GetProperty("stats");
        return new DiskCounters(
            stats.GetProperty("rd_bytes").GetInt64(),
            stats.GetProperty("wr_bytes").GetInt64(),
            stats.GetProperty("rd_operations").GetInt64(),
            stats.GetProperty("wr_operations").GetInt64());
    }
}
