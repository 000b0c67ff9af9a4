using System.Globalization;
using Alveare.Model;

namespace Alveare.Kvm.Cgroups;

/// <summary>What a group has of memory that the kernel cannot have back without somewhere to swap it to.</summary>
/// <remarks>What the process has resident is more: what it took before it joined its group is counted elsewhere, and no limit of the group is about it.
/// And what it has given back of a huge page is counted until the kernel, short of memory or at a limit, splits the page.</remarks>
internal static class MemoryUse
{
    /// <summary>Reads the first of the groups that counts memory; nothing when there is none.</summary>
    /// <param name="usage">The file that has all of it.</param>
    public static Bytes Read(IEnumerable<string> groups, string usage) => Read(groups, usage, ReadReclaimable);

    /// <summary>As <see cref="Read(IEnumerable{string}, string)"/>, with what the kernel could have back.</summary>
    public static Bytes ReadAll(IEnumerable<string> groups, string usage) => Read(groups, usage, _ => 0);

    private static Bytes Read(IEnumerable<string> groups, string usage, Func<string, long> without)
    {
        try
        {
            return groups.FirstOrDefault(g => File.Exists(Path.Combine(g, usage))) is { } group
                ? new Bytes(Math.Max(0, Number(File.ReadAllText(Path.Combine(group, usage))) - without(Path.Combine(group, "memory.stat"))))
                : Bytes.Zero;
        }
        catch (IOException)
        {
            // It ended a moment ago.
            return Bytes.Zero;
        }
    }

    /// <summary>Where the host can swap to, all of it; nothing where it has no swap.</summary>
    /// <param name="memoryInfo">The text of /proc/meminfo, in KiB.</param>
    public static Bytes ParseSwap(string memoryInfo) =>
        memoryInfo.Split('\n').Select(l => l.Split((char[])[':', ' '], StringSplitOptions.RemoveEmptyEntries)).FirstOrDefault(w => w is ["SwapTotal", _, ..]) is { } words
            ? new Bytes(Number(words[1]) * 1024)
            : Bytes.Zero;

    // Files, and what is on the lists of the process's own memory and mapped by nobody. The names are the same in both versions, but for what is mapped.
    private static long ReadReclaimable(string statistics)
    {
        var all = File.ReadLines(statistics).Select(l => l.Split(' ')).ToDictionary(w => w[0], w => Number(w[1]));
        var unmapped = Of("active_anon") + Of("inactive_anon") - Of("shmem") - (all.ContainsKey("anon") ? Of("anon") : Of("rss"));
        return Of("active_file") + Of("inactive_file") + Math.Max(0, unmapped);

        long Of(string name) => all.GetValueOrDefault(name);
    }

    private static long Number(ReadOnlySpan<char> text) => long.Parse(text, NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
}
