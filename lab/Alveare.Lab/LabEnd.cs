using System.Globalization;
using Alveare.Lab.Layout;
using Alveare.Lab.Networks;
using Alveare.Lab.Programs;

namespace Alveare.Lab;

/// <summary>The end of a lab: whatever state it is in, nothing of it stays.</summary>
/// <remarks>What belongs to the lab is found by what cannot be mistaken: processes by the network namespaces they are in (which are the lab's
/// alone) and by recorded start times, files by the state directory, control groups by the machines' ids.</remarks>
public sealed class LabEnd(LabPlan plan)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Ends the programs, then every other process of the lab, QEMUs among them.</summary>
    public async Task EndProcessesAsync()
    {
        var instance = new LabInstance(plan);
        await Task.WhenAll(instance.Programs.Select(p => p.StopAsync()));
        await Task.WhenAll(Inside().Concat(Qemus()).Distinct().Select(p => p.KillAsync(Patience)));
        // The shells that wait for QEMUs to write down how they ended do so now, in the same namespaces.
        await Task.WhenAll(Inside().Select(p => p.KillAsync(Patience)));
    }

    /// <summary>Ends everything and removes namespaces, control groups, the mount and the state directory.</summary>
    public async Task RemoveAsync()
    {
        var (hosts, machines) = (HostIds().ToList(), Machines().ToList());
        await EndProcessesAsync();
        await new LabNetwork(plan).RemoveAsync();
        await ControlGroups.RemoveAsync(hosts, machines);
        await MemoryMount.RemoveAsync(plan.RunMount);
        if (Directory.Exists(plan.State))
            Directory.Delete(plan.State, recursive: true);
    }

    /// <summary>The processes in the lab's network namespaces.</summary>
    private List<ProcessIdentity> Inside()
    {
        var ours = plan.Namespaces.Select(n => Inode($"/run/netns/{n}")).OfType<string>().ToHashSet();
        return ours.Count == 0 ? [] : [.. Numbers("/proc").Where(pid => NamespaceOf(pid) is { } n && ours.Contains(n)).Select(ProcessIdentity.Of).OfType<ProcessIdentity>()];
    }

    /// <summary>The QEMUs whose run directories are in the lab's state: when the namespaces' names are gone, they are found here.</summary>
    private IEnumerable<ProcessIdentity> Qemus()
    {
        foreach (var run in RunDirectories())
        {
            if (int.TryParse(TryRead(Path.Combine(run, "pid")), CultureInfo.InvariantCulture, out var pid)
                && TryRead($"/proc/{pid}/cmdline") is { } command && command.Contains(run, StringComparison.Ordinal)
                && ProcessIdentity.Of(pid) is { } process)
            {
                yield return process;
            }
        }
    }

    private IEnumerable<string> RunDirectories() =>
        plan.Hosts.Select(plan.RunOf).Where(Directory.Exists).SelectMany(Directory.EnumerateDirectories);

    // As the hosts said when they were ready.
    private IEnumerable<string> HostIds() =>
        plan.Hosts.Select(h => TryRead(plan.StateOf(h) + ".ready")).OfType<string>()
            .SelectMany(line => line.Split(' '))
            .Where(word => word.StartsWith("id=host-", StringComparison.Ordinal))
            .Select(word => word["id=host-".Length..]);

    private IEnumerable<string> Machines() => RunDirectories().Select(d => Path.GetFileName(d)!).Distinct();

    private static IEnumerable<int> Numbers(string directory) =>
        Directory.EnumerateDirectories(directory).Select(d => int.TryParse(Path.GetFileName(d), out var pid) ? pid : 0).Where(pid => pid > 0);

    private static string? NamespaceOf(int pid) => Target($"/proc/{pid}/ns/net");

    // A namespace is known by the number in its link, such as net:[4026532008]; an open file of it has the same one.
    private static string? Inode(string path)
    {
        if (!File.Exists(path))
            return null;
        using var file = File.OpenHandle(path);
        return Target($"/proc/self/fd/{file.DangerousGetHandle()}");
    }

    private static string? Target(string link)
    {
        try
        {
            return new FileInfo(link).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (IOException)
        {
            return null;
        }
    }
}
