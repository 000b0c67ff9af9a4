using System.Collections.Immutable;
using Alveare.Model;

namespace Alveare.Kvm.Cgroups;

/// <summary>What control groups this machine has, and which of them a host can use.</summary>
/// <remarks>Read from /proc/self/mounts and /proc/self/cgroup. A hierarchy in which the agent itself was put below the root by anything but
/// systemd (a container without a namespace of its own, a supervisor) is left alone: a group at its root would leave that confinement.</remarks>
public sealed record ControlGroupHierarchies
{
    private static readonly string[] Systemd = ["/system.slice", "/user.slice", "/machine.slice", "/init.scope"];

    /// <summary>Mount point of version 2, or null.</summary>
    public string? Unified { get; private init; }

    /// <summary>Mount points of version 1 by controller.</summary>
    public ImmutableSortedDictionary<string, string> Controllers { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>The groups for a host's machines, proven by making one; null with the reason in <paramref name="warnings"/> when there are none.</summary>
    public IControlGroups? Open(EntityId host, List<string> warnings)
    {
        const string without = "Machines run without control groups: their share of CPU and memory cannot be limited";
        if (Choose(host, file => File.Exists(file) ? File.ReadAllText(file) : "") is not { } groups)
        {
            warnings.Add($"{without}. No control group hierarchy is mounted, or this agent is confined in each of them.");
            return null;
        }

        try
        {
            groups.Remove(groups.Add(Guid.Empty));
            return groups;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            warnings.Add($"{without}. Making one failed: {e.Message}");
            return null;
        }
    }

    public static ControlGroupHierarchies Read() => Parse(File.ReadAllText("/proc/self/mounts"), File.ReadAllText("/proc/self/cgroup"));

    public static ControlGroupHierarchies Parse(string mounts, string memberships)
    {
        var confined = memberships.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(':', 3))
            .Where(parts => parts.Length == 3 && IsConfined(parts[2]))
            .SelectMany(parts => parts[1].Split(','))
            .ToHashSet();
        var found = new ControlGroupHierarchies();
        foreach (var fields in mounts.Split('\n').Select(line => line.Split(' ')).Where(f => f.Length > 3))
        {
            var (mountPoint, type, options) = (fields[1], fields[2], fields[3].Split(','));
            if (type == "cgroup2" && !confined.Contains(""))
                found = found with { Unified = found.Unified ?? mountPoint };
            else if (type == "cgroup")
                found = found with { Controllers = found.Controllers.SetItems(Of(mountPoint, options, confined)) };
        }

        return found;
    }

    /// <summary>The best way to have groups for a host's machines, or null when there is none.</summary>
    /// <param name="readText">Reads a small file; empty when it is not there.</param>
    public IControlGroups? Choose(EntityId host, Func<string, string> readText)
    {
        var parent = $"alveare-{host.Uuid:N}";
        if (Unified is { } unified && readText(Path.Combine(unified, "cgroup.controllers")).Split(' ', '\n').Contains("cpu"))
            return new ControlGroupsV2(unified, parent, readText);
        if (Controllers.TryGetValue("cpuacct", out var accounting))
            return new ControlGroupsV1([.. Controllers.Values.Distinct()], accounting, parent);
        return Unified is null ? null : new ControlGroupsV2(Unified, parent, readText);
    }

    private static bool IsConfined(string path) =>
        path != "/" && !Systemd.Any(s => path == s || path.StartsWith(s + "/", StringComparison.Ordinal));

    private static IEnumerable<KeyValuePair<string, string>> Of(string mountPoint, string[] options, HashSet<string> confined) =>
        ((string[])["blkio", "cpu", "cpuacct", "memory"])
            .Where(c => options.Contains(c) && !confined.Contains(c))
            .Select(c => KeyValuePair.Create(c, mountPoint));
}
