using System.Diagnostics;

namespace Alveare.Lab.Programs;

/// <summary>The control groups that hosts made for their machines, <c>alveare-HOST/MACHINE</c> in each hierarchy, to be removed after them.</summary>
internal static class ControlGroups
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Removes the groups of these hosts and machines (ids without dashes). The processes in them have been killed.</summary>
    public static async Task RemoveAsync(IReadOnlyCollection<string> hosts, IReadOnlyCollection<string> machines)
    {
        var ours = Parents().Where(p => IsOurs(p, hosts, machines)).ToList();
        var clock = Stopwatch.StartNew();
        // The kernel lets go of a killed process a little after it is gone from /proc.
        while (!ours.TrueForAll(TryRemove) && clock.Elapsed < Patience)
            await Task.Delay(20);
    }

    private static bool IsOurs(string parent, IReadOnlyCollection<string> hosts, IReadOnlyCollection<string> machines) =>
        hosts.Contains(Path.GetFileName(parent)["alveare-".Length..]) || machines.Any(m => Directory.Exists(Path.Combine(parent, m)));

    // Below the one hierarchy of version 2, or below each of those of version 1.
    private static IEnumerable<string> Parents() => Directory.EnumerateDirectories(
        "/sys/fs/cgroup",
        "alveare-*",
        new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint });

    private static bool TryRemove(string parent)
    {
        try
        {
            foreach (var group in Directory.EnumerateDirectories(parent))
                Directory.Delete(group);
            Directory.Delete(parent);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
