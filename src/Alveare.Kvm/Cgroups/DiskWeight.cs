using System.Globalization;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Cgroups;

/// <summary>What a group weighs against others that use the same disk of the host.</summary>
/// <remarks>A normal disk weighs as much as a group that nobody has weighed: 100 in each of the files. They are of several schedulers, and those that a
/// kernel has are all written: which of them counts depends on the disk.</remarks>
internal static class DiskWeight
{
    private const int Normal = 100;

    // The scheduler bfq's scale ends at 1,000 and that of io.cost at 10,000.
    private static readonly (string File, long Most)[] Files = [("io.weight", 10_000), ("io.bfq.weight", 1_000), ("blkio.bfq.weight", 1_000)];

    /// <summary>The files and what is written into them.</summary>
    public static IEnumerable<(string File, string Value)> Of(long shares) => Files.Select(f => (
        f.File, Math.Clamp(shares * Normal / ShareScale.NormalDisk, 1, f.Most).ToString(CultureInfo.InvariantCulture)));

    /// <summary>Writes a weight into the files that there are; false when there is none.</summary>
    public static bool Write(IEnumerable<string> groups, long shares) => GroupLimits.Write(groups, Of(shares)).Count < Files.Length;
}
