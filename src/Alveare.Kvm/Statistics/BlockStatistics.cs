using System.Text.Json;
using Alveare.Kvm.Qmp;

namespace Alveare.Kvm.Statistics;

/// <summary>What a machine's disks have done, as its QEMU counts it.</summary>
internal static class BlockStatistics
{
    public static async Task<DiskCounters> ReadAsync(QmpConnection qmp, TimeSpan timeout) =>
        Parse(await qmp.ExecuteAsync("query-blockstats", timeout: timeout));

    /// <summary>Sums up the answer to query-blockstats, one element per drive.</summary>
    public static DiskCounters Parse(JsonElement drives)
    {
        var sum = default(DiskCounters);
        foreach (var drive in drives.EnumerateArray())
        {
            var stats = drive.GetProperty("stats");
            sum = new DiskCounters(
                sum.ReadBytes + stats.GetProperty("rd_bytes").GetInt64(),
                sum.WrittenBytes + stats.GetProperty("wr_bytes").GetInt64(),
                sum.Reads + stats.GetProperty("rd_operations").GetInt64(),
                sum.Writes + stats.GetProperty("wr_operations").GetInt64());
        }

        return sum;
    }
}
