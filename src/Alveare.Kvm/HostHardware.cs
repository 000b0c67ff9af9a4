using System.Globalization;
using Alveare.Model;

namespace Alveare.Kvm;

/// <summary>What the kernel says of this machine's processor and memory.</summary>
/// <param name="Clock">Of one core; 0 where the kernel does not tell.</param>
public sealed record HostHardware(string CpuModel, Megahertz Clock, Bytes Memory)
{
    public static HostHardware Read() => Parse(File.ReadAllText("/proc/cpuinfo"), File.ReadAllText("/proc/meminfo"));

    /// <summary>Reads the text of /proc/cpuinfo and /proc/meminfo.</summary>
    public static HostHardware Parse(string cpuInfo, string memoryInfo) => new(
        Value(cpuInfo, "model name") ?? "unknown",
        new Megahertz((long)Math.Round(Number(Value(cpuInfo, "cpu MHz")))),
        new Bytes((long)Number(Value(memoryInfo, "MemTotal")?.Split(' ')[0]) * 1024));

    private static string? Value(string text, string key) =>
        text.Split('\n')
            .Select(line => line.Split(':', 2))
            .Where(parts => parts.Length == 2 && parts[0].Trim() == key)
            .Select(parts => parts[1].Trim())
            .FirstOrDefault();

    private static double Number(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
