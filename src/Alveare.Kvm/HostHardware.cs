using System.Globalization;
using System.Text.RegularExpressions;
using Alveare.Model;

namespace Alveare.Kvm;

/// <summary>What the kernel says of this machine's processor and memory.</summary>
/// <param name="Clock">Of one core at its base, not at this moment; 0 where nothing tells.</param>
public sealed partial record HostHardware(string CpuModel, Megahertz Clock, Bytes Memory)
{
    private const string FrequencyDirectory = "/sys/devices/system/cpu/cpu0/cpufreq";

    /// <summary>What the host keeps for itself: 512 MiB for the agent, the kernel and the system's own programs, and 2 % for what grows with
    /// the machines' memory (page tables, buffers). A host of less than 2 GiB keeps a quarter.</summary>
    public Bytes Reserved
    {
        get
        {
            var wanted = Bytes.FromMib(512) + new Bytes(Memory.Value / 50);
            var quarter = new Bytes(Memory.Value / 4);
            return wanted < quarter ? wanted : quarter;
        }
    }

    public static HostHardware Read() => Parse(
        File.ReadAllText("/proc/cpuinfo"), File.ReadAllText("/proc/meminfo"), ReadKilohertz("base_frequency"), ReadKilohertz("cpuinfo_max_freq"));

    /// <summary>Reads the text of /proc/cpuinfo and /proc/meminfo.</summary>
    /// <param name="baseKilohertz">What the processor is sold with (some drivers only), or 0.</param>
    /// <param name="maxKilohertz">Its highest step, or 0.</param>
    /// <remarks>"cpu MHz" is what a core does at this moment, which is little when it idles: the fastest core counts, and only where no
    /// lasting figure is to be had (virtual machines, whose clock does not change).</remarks>
    public static HostHardware Parse(string cpuInfo, string memoryInfo, long baseKilohertz = 0, long maxKilohertz = 0)
    {
        var model = Values(cpuInfo, "model name").FirstOrDefault() ?? "unknown";
        var megahertz = baseKilohertz > 0 ? baseKilohertz / 1000.0
            : ClockInName().Match(model) is { Success: true } match ? Number(match.Groups[1].Value) * 1000
            : maxKilohertz > 0 ? maxKilohertz / 1000.0
            : Values(cpuInfo, "cpu MHz").Select(Number).DefaultIfEmpty().Max();
        return new HostHardware(
            model,
            new Megahertz((long)Math.Round(megahertz)),
            new Bytes((long)Number(Values(memoryInfo, "MemTotal").FirstOrDefault()?.Split(' ')[0]) * 1024));
    }

    private static IEnumerable<string> Values(string text, string key) =>
        text.Split('\n')
            .Select(line => line.Split(':', 2))
            .Where(parts => parts.Length == 2 && parts[0].Trim() == key)
            .Select(parts => parts[1].Trim());

    private static double Number(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : 0;

    private static long ReadKilohertz(string name)
    {
        var file = Path.Combine(FrequencyDirectory, name);
        return File.Exists(file) ? (long)Number(File.ReadAllText(file).Trim()) : 0;
    }

    [GeneratedRegex(@"@ ([0-9.]+)GHz")]
    private static partial Regex ClockInName();
}
