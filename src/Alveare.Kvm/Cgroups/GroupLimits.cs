using System.Globalization;
using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Cgroups;

/// <summary>What the kernel is to hold a machine's control group to.</summary>
/// <param name="Shares">CPU shares as administrators count them (1000 is a normal virtual CPU), raised where its own would not give what it is promised.</param>
/// <param name="Cpus">The most CPU time per time, in CPUs; null for no limit.</param>
/// <param name="Memory">What is left to it when memory is short.</param>
/// <param name="MostMemory">What it never exceeds; null for no limit.</param>
public sealed record GroupLimits(int Shares, double? Cpus, Bytes Memory, Bytes? MostMemory = null)
{
    // The kernel's default: long enough that a guest is not stopped at every turn, short enough that it does not notice.
    private const int PeriodMicroseconds = 100_000;

    // What the kernel takes at the least; a group of one millisecond in a hundred.
    private const int LeastQuotaMicroseconds = 1_000;

    // Differences that nobody would notice.
    private const double SameShares = 0.03;
    private const double SameCpus = 0.02;

    /// <param name="shares">In effect beside the others.</param>
    /// <param name="ofPool">Megahertz that the limit of a pool it is in leaves to it; null where there is no such limit.</param>
    /// <param name="clock">Of one of the host's CPUs; megahertz mean nothing where it is not known, and then there is no limit.</param>
    public static GroupLimits Of(MachineSpec spec, double shares, double? ofPool, Megahertz clock) => new(
        (int)Math.Clamp(Math.Round(shares), 1, int.MaxValue),
        clock.Value == 0 || (spec.Resources.Cpu.Limit is null && ofPool is null)
            ? null
            : Math.Min(spec.Resources.Cpu.Limit?.Value ?? double.PositiveInfinity, ofPool ?? double.PositiveInfinity) / clock.Value,
        spec.Resources.Memory.Reservation,
        spec.Resources.Memory.Limit);

    /// <summary>Whether a group that is held to the other need not be touched for these.</summary>
    public bool IsNear(GroupLimits other) =>
        Memory == other.Memory
        && MostMemory == other.MostMemory
        && Math.Abs(Shares - other.Shares) <= SameShares * other.Shares
        && Cpus is null == other.Cpus is null
        && Math.Abs((Cpus ?? 0) - (other.Cpus ?? 0)) <= SameCpus * (other.Cpus ?? 0);

    /// <summary>The files of version 1 of the interface and what is written into them.</summary>
    /// <remarks>A normal virtual CPU weighs as much as a normal process there: 1024. Of memory the kernel first takes what is above the soft limits, so a
    /// machine that is promised nothing has one of 0: without any it would be spared before those that are promised some. A machine that takes more than its
    /// limit where there is nothing to swap to would be killed: it waits instead, until the limit is raised.</remarks>
    public IEnumerable<(string File, string Value)> Version1 =>
    [
        Weight1(Shares),
        ("cpu.cfs_period_us", Number(PeriodMicroseconds)),
        ("cpu.cfs_quota_us", Cpus is null ? "-1" : Number(Quota)),
        ("memory.soft_limit_in_bytes", Number(Memory.Value)),
        ("memory.oom_control", MostMemory is null ? "0" : "1"),
        ("memory.limit_in_bytes", MostMemory is { } most ? Number(most.Value) : "-1"),
    ];

    /// <summary>The files of version 2.</summary>
    /// <remarks>A normal virtual CPU weighs as much as a normal process there: 100. The scale ends at 10,000: a hundred of them. A machine that takes more
    /// than its limit is slowed down; memory.max would have it killed.</remarks>
    public IEnumerable<(string File, string Value)> Version2 =>
    [
        Weight2(Shares),
        ("cpu.max", $"{(Cpus is null ? "max" : Number(Quota))} {Number(PeriodMicroseconds)}"),
        ("memory.low", Number(Memory.Value)),
        ("memory.high", MostMemory is { } most ? Number(most.Value) : "max"),
    ];

    internal static (string File, string Value) Weight1(long shares) => ("cpu.shares", Number(Math.Clamp(shares * 1024 / ShareScale.NormalCpu, 2, 262_144)));

    internal static (string File, string Value) Weight2(long shares) => ("cpu.weight", Number(Math.Clamp(shares * 100 / ShareScale.NormalCpu, 1, 10_000)));

    private long Quota => Math.Max(LeastQuotaMicroseconds, (long)Math.Round(Cpus!.Value * PeriodMicroseconds));

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>Writes values into the files of whichever of a machine's groups has them.</summary>
    /// <returns>The files that none of them has (controllers that this kernel lacks, or does not pass on), and those that could not be written, with why.</returns>
    internal static IReadOnlyList<string> Write(IEnumerable<string> groups, IEnumerable<(string File, string Value)> values)
    {
        var missing = new List<string>();
        foreach (var (file, value) in values)
        {
            try
            {
                if (groups.Select(g => Path.Combine(g, file)).FirstOrDefault(File.Exists) is { } path)
                    File.WriteAllText(path, value);
                else
                    missing.Add(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                missing.Add($"{file} ({e.Message})");
            }
        }

        return missing;
    }
}
