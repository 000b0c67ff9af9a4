using System.Diagnostics;
using System.Globalization;

namespace Alveare.Bench.Report;

/// <summary>What a process used, from the kernel's own counters.</summary>
internal sealed class Usage
{
    // USER_HZ, which the kernel's interface fixes at 100.
    private const double TicksPerSecond = 100;

    private readonly int _pid;
    private readonly double _secondsBefore;
    private readonly long _since = Stopwatch.GetTimestamp();

    public Usage(int pid)
    {
        _pid = pid;
        _secondsBefore = CpuSeconds();
    }

    /// <summary>Percent of one core since this object was made.</summary>
    public double CpuPercent() => 100 * (CpuSeconds() - _secondsBefore) / Stopwatch.GetElapsedTime(_since).TotalSeconds;

    /// <summary>Memory that only this process holds and its share of the rest (PSS).</summary>
    public double MemoryMb()
    {
        var line = File.ReadLines($"/proc/{_pid}/smaps_rollup").First(l => l.StartsWith("Pss:", StringComparison.Ordinal));
        var kibibytes = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return double.Parse(kibibytes, CultureInfo.InvariantCulture) * 1024 / 1_000_000;
    }

    private double CpuSeconds() => CpuSecondsOf(_pid);

    /// <summary>CPU time that a process has used since it began.</summary>
    public static double CpuSecondsOf(int pid) => CpuSeconds($"/proc/{pid}/stat", first: 11);

    /// <summary>CPU time of this process' children that have ended.</summary>
    public static double CpuSecondsOfEnded() => CpuSeconds("/proc/self/stat", first: 13);

    // The name in parentheses may hold blanks; after it utime and stime are the 12th and 13th field, cutime and cstime the 14th and 15th.
    private static double CpuSeconds(string file, int first)
    {
        var stat = File.ReadAllText(file);
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (double.Parse(fields[first], CultureInfo.InvariantCulture) + double.Parse(fields[first + 1], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }
}
