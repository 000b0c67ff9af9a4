using Alveare.Model.Resources;

namespace Alveare.Kvm.Cgroups;

/// <summary>What the kernel is to hold a machine's control group to, of CPU.</summary>
/// <param name="Shares">As administrators count them (1000 is a normal virtual CPU), raised where its own would not give what it is promised.</param>
/// <param name="Cpus">The most CPU time per time, in CPUs; null for no limit.</param>
public sealed record CpuLimits(int Shares, double? Cpus)
{
    // The kernel's default: long enough that a guest is not stopped at every turn, short enough that it does not notice.
    private const int PeriodMicroseconds = 100_000;

    // What the kernel takes at the least; a group of one millisecond in a hundred.
    private const int LeastQuotaMicroseconds = 1_000;

    // Differences that nobody would notice.
    private const double SameShares = 0.03;
    private const double SameCpus = 0.02;

    /// <summary>Whether a group that is held to the other need not be touched for these.</summary>
    public bool IsNear(CpuLimits other) =>
        Math.Abs(Shares - other.Shares) <= SameShares * other.Shares
        && Cpus is null == other.Cpus is null
        && Math.Abs((Cpus ?? 0) - (other.Cpus ?? 0)) <= SameCpus * (other.Cpus ?? 0);

    /// <summary>The files of version 1 of the interface and what is written into them.</summary>
    /// <remarks>A normal virtual CPU weighs as much as a normal process there: 1024.</remarks>
    public IEnumerable<(string File, string Value)> Version1 =>
        [Weight1(Shares), ("cpu.cfs_period_us", GroupLimits.Number(PeriodMicroseconds)), ("cpu.cfs_quota_us", Cpus is null ? "-1" : GroupLimits.Number(Quota))];

    /// <summary>The files of version 2.</summary>
    /// <remarks>A normal virtual CPU weighs as much as a normal process there: 100. The scale ends at 10,000: a hundred of them.</remarks>
    public IEnumerable<(string File, string Value)> Version2 =>
        [Weight2(Shares), ("cpu.max", $"{(Cpus is null ? "max" : GroupLimits.Number(Quota))} {GroupLimits.Number(PeriodMicroseconds)}")];

    internal static (string File, string Value) Weight1(long shares) =>
        ("cpu.shares", GroupLimits.Number(Math.Clamp(shares * 1024 / ShareScale.NormalCpu, 2, 262_144)));

    internal static (string File, string Value) Weight2(long shares) =>
        ("cpu.weight", GroupLimits.Number(Math.Clamp(shares * 100 / ShareScale.NormalCpu, 1, 10_000)));

    private long Quota => Math.Max(LeastQuotaMicroseconds, (long)Math.Round(Cpus!.Value * PeriodMicroseconds));
}
