using System.Globalization;
using Alveare.Model;

namespace Alveare.Kvm.Cgroups;

/// <summary>What a group has of memory that the kernel cannot have back without somewhere to swap it to.</summary>
/// <remarks>What the process has resident is more: what it took before it joined its group is counted elsewhere, and no limit of the group is about it.</remarks>
internal static class MemoryUse
{
    // What is kept of files, by the same names in both versions.
    private static readonly string[] Files = ["active_file ", "inactive_file "];

    /// <summary>Reads the first of the groups that counts memory; nothing when there is none.</summary>
    /// <param name="usage">The file that has all of it.</param>
    public static Bytes Read(IEnumerable<string> groups, string usage)
    {
        try
        {
            return groups.FirstOrDefault(g => File.Exists(Path.Combine(g, usage))) is { } group
                ? new Bytes(Math.Max(0, Number(File.ReadAllText(Path.Combine(group, usage))) - ReadFiles(Path.Combine(group, "memory.stat"))))
                : Bytes.Zero;
        }
        catch (IOException)
        {
            // It ended a moment ago.
            return Bytes.Zero;
        }
    }

    private static long ReadFiles(string statistics) => File.ReadLines(statistics)
        .Sum(line => Files.FirstOrDefault(f => line.StartsWith(f, StringComparison.Ordinal)) is { } name ? Number(line.AsSpan(name.Length)) : 0);

    private static long Number(ReadOnlySpan<char> text) => long.Parse(text, NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
}
