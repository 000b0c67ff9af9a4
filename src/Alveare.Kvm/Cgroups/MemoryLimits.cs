using Alveare.Model;

namespace Alveare.Kvm.Cgroups;

/// <summary>What the kernel is to leave to a machine's control group of memory, and hold it to.</summary>
/// <param name="Promised">Left to it whatever others want.</param>
/// <param name="Due">Left to it while others have more than is due to them, and not less than what it is promised.</param>
/// <param name="Most">What it never exceeds; null for no limit.</param>
public sealed record MemoryLimits(Bytes Promised, Bytes Due, Bytes? Most)
{
    /// <summary>What its guest is to have, so that it needs no more than it is to have; null for a guest that gives nothing back. That is the balloon's, not the kernel's.</summary>
    public Bytes? Guest { get; init; }

    /// <summary>The file of version 1 that has the limit.</summary>
    internal const string File1 = "memory.limit_in_bytes";

    // Differences that nobody would notice.
    private const double SameDue = 0.05;
    private const double SameMost = 0.03;

    /// <summary>Whether a group that is held to the other need not be touched for these.</summary>
    /// <remarks>A limit that falls is always written: what one machine of a pool gives up another has already.</remarks>
    public bool IsNear(MemoryLimits other) =>
        Promised == other.Promised
        && Math.Abs(Due.Value - other.Due.Value) <= SameDue * other.Due.Value
        && Most is null == other.Most is null
        && (Most?.Value ?? 0) - (other.Most?.Value ?? 0) is >= 0 and var more && more <= SameMost * (other.Most?.Value ?? 0);

    /// <summary>The files of version 1 of the interface and what is written into them.</summary>
    /// <remarks>The kernel first takes what is above the soft limits, so a machine to which nothing is due has one of 0: without any it would be spared
    /// before the others. A machine that takes more than its limit where there is nothing to swap to would be killed: it waits instead, until the limit is
    /// raised. So a limit is lifted before those who wait for it are let go.</remarks>
    public IEnumerable<(string File, string Value)> Version1 => Most is { } most
        ? [SoftLimit, ("memory.oom_control", "1"), (File1, GroupLimits.Number(most.Value))]
        : [SoftLimit, (File1, "-1"), ("memory.oom_control", "0")];

    /// <summary>The files of version 2.</summary>
    /// <remarks>A machine that takes more than its limit is slowed down; memory.max would have it killed.</remarks>
    public IEnumerable<(string File, string Value)> Version2 =>
        [.. Protection2(Promised, Due), ("memory.high", Most is { } most ? GroupLimits.Number(most.Value) : "max")];

    internal static IEnumerable<(string File, string Value)> Protection2(Bytes promised, Bytes due) =>
        [("memory.min", GroupLimits.Number(promised.Value)), ("memory.low", GroupLimits.Number(due.Value))];

    private (string File, string Value) SoftLimit => ("memory.soft_limit_in_bytes", GroupLimits.Number(Due.Value));
}
