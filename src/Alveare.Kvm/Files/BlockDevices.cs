using System.Text.RegularExpressions;

namespace Alveare.Kvm.Files;

/// <summary>The disks of this host below its datastores.</summary>
public static partial class BlockDevices
{
    public static string? WhyNoWeights(string path) =>
        WhyNoWeights(File.ReadAllText("/proc/self/mountinfo"), path, file => File.Exists(file) ? File.ReadAllText(file) : "");

    /// <summary>Why the kernel does not share the disk below a file by weight, or null when it does.</summary>
    /// <remarks>Two parts of the kernel do: the scheduler <c>bfq</c> of a device, and the controller <c>io.cost</c> where somebody has enabled it for
    /// the device. Every other scheduler takes weights and does nothing with them.</remarks>
    /// <param name="mounts">The text of /proc/self/mountinfo.</param>
    /// <param name="readText">Reads a small file of the kernel; empty when it is not there.</param>
    public static string? WhyNoWeights(string mounts, string path, Func<string, string> readText)
    {
        if (DeviceBelow(mounts, path) is not var (number, type))
            return $"the file system of '{path}' is not known";
        var device = $"/sys/dev/block/{number}";
        // A part of a disk has no queue of its own.
        var disk = readText($"{device}/partition").Length > 0 ? $"{device}/.." : device;
        var schedulers = readText($"{disk}/queue/scheduler");
        if (schedulers.Length == 0)
            return $"'{path}' is on {type}, which is not on one disk of this host";
        if (CurrentScheduler().Match(schedulers).Groups["name"].Value is var scheduler && scheduler == "bfq")
            return null;
        var whole = readText($"{disk}/dev").Trim();
        return readText("/sys/fs/cgroup/io.cost.qos").Split('\n').Any(l => l.StartsWith($"{whole} ", StringComparison.Ordinal) && l.Contains("enable=1", StringComparison.Ordinal))
            ? null
            : $"the disk {whole} below '{path}' has the scheduler '{scheduler}', expected 'bfq', or io.cost enabled for it";
    }

    /// <summary>The number and the file system of the mount that a path is on; the last of those on one directory hides the others.</summary>
    private static (string Number, string Type)? DeviceBelow(string mounts, string path)
    {
        (string Number, string Type, string On)? best = null;
        foreach (var fields in mounts.Split('\n').Select(l => l.Split(' ')))
        {
            // id, parent, major:minor, root, mount point, options, fields that vary, "-", type, source, options.
            var dash = Array.IndexOf(fields, "-");
            if (dash < 6 || fields.Length < dash + 2)
                continue;
            var on = Unescape(fields[4]);
            if ((path == on || path.StartsWith(on.EndsWith('/') ? on : on + "/", StringComparison.Ordinal)) && on.Length >= (best?.On.Length ?? 0))
                best = (fields[2], fields[dash + 1], on);
        }

        return best is { } found ? (found.Number, found.Type) : null;
    }

    private static string Unescape(string text) =>
        Octal().Replace(text, m => ((char)Convert.ToInt32(m.Groups["code"].Value, 8)).ToString());

    [GeneratedRegex(@"\[(?<name>[^\]]*)\]")]
    private static partial Regex CurrentScheduler();

    [GeneratedRegex(@"\\(?<code>[0-7]{3})")]
    private static partial Regex Octal();
}
