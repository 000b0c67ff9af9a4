using Alveare.Lab.Layout;

namespace Alveare.Cluster.Tests.Lab;

/// <summary>What of one lab can be found on this machine, whatever else runs there.</summary>
internal sealed class Traces(LabPlan plan)
{
    private readonly SortedSet<int> _processes = [];
    private readonly SortedSet<string> _controlGroups = [];

    /// <summary>Everything that there is now, by its kind. Processes and control groups that were found once are looked for from then on: how they
    /// were found may be gone before them.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Look()
    {
        foreach (var pid in Processes().Where(pid => CommandLineOf(pid).Contains(plan.State, StringComparison.Ordinal)))
        {
            _processes.Add(pid);
            _controlGroups.UnionWith(ControlGroupsOf(pid));
        }

        return new Dictionary<string, IReadOnlyList<string>>
        {
            ["process"] = [.. _processes.Where(pid => CommandLineOf(pid).Length > 0).Select(pid => $"process {pid}, {CommandLineOf(pid).Replace('\0', ' ')}")],
            ["namespace"] = Entries("/run/netns", $"{plan.Name}-*"),
            ["network device"] = Entries("/sys/class/net", $"{plan.Name}-*"),
            ["mount"] = [.. File.ReadLines("/proc/self/mountinfo").Where(l => l.Contains(plan.State, StringComparison.Ordinal) || l.Contains($"/{plan.Name}-", StringComparison.Ordinal))],
            ["control group"] = [.. _controlGroups.Where(Directory.Exists)],
            ["state"] = Directory.Exists(plan.State) ? [plan.State] : [],
            ["claim"] = Entries("/run", $"alveare-lab-{plan.Name}*"),
            ["temporary file"] = [.. new[] { "/tmp", Path.GetTempPath(), plan.TemporaryDirectory }.SelectMany(d => _processes.SelectMany(pid => Entries(d, $"*-{pid}-*")))],
        };
    }

    private static IEnumerable<int> Processes() => Directory.EnumerateDirectories("/proc")
        .Select(d => int.TryParse(Path.GetFileName(d), out var pid) ? pid : 0).Where(pid => pid > 0 && pid != Environment.ProcessId);

    // Nothing of one that has ended.
    private static string CommandLineOf(int pid) => Read($"/proc/{pid}/cmdline");

    // Lines such as 4:memory:/outer/alveare-HOST/MACHINE; version 2 names no hierarchy.
    private static IEnumerable<string> ControlGroupsOf(int pid) =>
        from line in Read($"/proc/{pid}/cgroup").Split('\n', StringSplitOptions.RemoveEmptyEntries)
        let path = line.Split(':', 3)[2]
        where path.Contains("/alveare-", StringComparison.Ordinal)
        from root in Directory.EnumerateDirectories("/sys/fs/cgroup").Append("/sys/fs/cgroup")
        let own = root + path
        where Directory.Exists(own)
        from found in (string[])[own, Path.GetDirectoryName(own)!]
        select found;

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static string[] Entries(string directory, string pattern) =>
        Directory.Exists(directory) ? Directory.GetFileSystemEntries(directory, pattern) : [];
}
