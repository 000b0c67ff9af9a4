using System.Globalization;
using Alveare.Kvm.Cgroups;
using Alveare.Model;

namespace Alveare.Machine.Tests.Room;

/// <summary>Control groups of memory for the machines of a test.</summary>
/// <remarks>An agent that is confined to a group by whoever started it makes none, because at the root they would leave that confinement. A test has
/// them within it: below the group of its own process.</remarks>
internal static class MemoryGroups
{
    private const string Root = "/sys/fs/cgroup/memory";

    /// <summary>The group of this process in version 1, or null.</summary>
    public static string? OfThisProcess => GroupOf("self") is { } group && Directory.Exists(group) ? group : null;

    /// <summary>What an agent is opened with so that its machines have groups of memory.</summary>
    public static ControlGroupHierarchies Open()
    {
        var found = ControlGroupHierarchies.Read();
        return OfThisProcess is { } own && !found.Controllers.ContainsKey("memory") ? found with { Controllers = found.Controllers.SetItem("memory", own) } : found;
    }

    /// <summary>The limit of a process's group; null for none.</summary>
    public static long? LimitOf(int pid) =>
        // Without a limit version 1 says the most that it can count.
        long.TryParse(Read(pid, "memory.limit_in_bytes", "memory.high"), CultureInfo.InvariantCulture, out var bytes) && bytes < 1L << 60 ? bytes : null;

    /// <summary>What a process's group uses, and what is kept of files for it.</summary>
    public static long UsageOf(int pid) => long.Parse(Read(pid, "memory.usage_in_bytes", "memory.current"), CultureInfo.InvariantCulture);

    /// <summary>What of a process's group is swapped out; version 2 alone.</summary>
    public static long SwappedOf(int pid) => long.Parse(Read(pid, "", "memory.swap.current"), CultureInfo.InvariantCulture);

    /// <summary>Whether this machine has somewhere to swap to.</summary>
    public static bool CanSwap => File.ReadLines("/proc/swaps").Skip(1).Any();

    /// <summary>Whether a process is in the group that counts its memory for a host.</summary>
    public static bool IsIn(int pid, EntityId host) =>
        (LineOf($"{pid}", "memory") ?? LineOf($"{pid}", ""))?.Contains($"alveare-{host.Uuid:N}", StringComparison.Ordinal) == true;

    private static string Read(int pid, string version1, string version2) =>
        File.ReadAllText(GroupOf($"{pid}") is { } old ? Path.Combine(old, version1) : $"/sys/fs/cgroup{LineOf($"{pid}", "")}/{version2}");

    private static string? GroupOf(string process) => LineOf(process, "memory") is { } path ? Root + path : null;

    private static string? LineOf(string process, string controller) => File.ReadAllLines($"/proc/{process}/cgroup")
        .Select(l => l.Split(':', 3)).FirstOrDefault(g => g[1].Split(',').Contains(controller))?[2];
}
