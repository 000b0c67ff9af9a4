using System.Collections.Immutable;
using Alveare.Model;

namespace Alveare.Kvm.Cgroups;

/// <summary>A control group of its own for every QEMU of one host: what it uses is counted there, and limits are set there.</summary>
/// <remarks>Two implementations, because a kernel has its controllers on version 2 of the interface or on version 1. Both make groups below
/// <c>alveare-HOST</c>, so that several hosts on one machine keep apart, and touch no other group. That parent exists while a machine runs.</remarks>
public interface IControlGroups
{
    /// <summary>Makes the groups of a machine (one per hierarchy); answers their directories, which its process is to join.</summary>
    ImmutableArray<string> Add(Guid machine);

    /// <summary>Removes groups whose process has ended; what is gone already is no error, and what is still inhabited stays.</summary>
    void Remove(ImmutableArray<string> groups);

    /// <summary>Removes the empty groups of this host that are not <paramref name="inUse"/>: leftovers of an agent that ended.</summary>
    void Sweep(IReadOnlySet<string> inUse);

    /// <summary>Holds a machine's groups to limits; answers what could not be written.</summary>
    /// <param name="present">What they are held to already: what is the same is not written again.</param>
    IReadOnlyList<UnwrittenFile> Apply(ImmutableArray<string> groups, GroupLimits limits, GroupLimits? present);

    /// <summary>Lets a machine weigh shares of disks against the others; false when this kernel has no weights of disks.</summary>
    /// <param name="all">The shares of all machines: what they weigh together against the rest of the host.</param>
    bool WeighDisks(ImmutableArray<string> groups, long shares, long all);

    /// <summary>Gives all machines together against the rest of the host what they have one by one.</summary>
    void Apply(CommonLimits common);

    /// <summary>What a machine's groups have of memory, without what the kernel keeps of files for it; nothing where they do not count it.</summary>
    Bytes ReadMemory(ImmutableArray<string> groups);

    /// <summary>Why a machine that has come to its memory limit goes beyond it all the same, and what to do about it; null where it does not.</summary>
    string? WhyMemoryGrows { get; }

    /// <summary>Why memory that a machine is promised may be taken from it all the same, and what to do about it; null where it is not.</summary>
    string? WhyMemoryIsTaken { get; }

    /// <summary>The counter of CPU time among a machine's groups, or null when they have none.</summary>
    CpuCounter? CounterOf(ImmutableArray<string> groups);
}

/// <summary>A file in which the kernel counts the CPU time that a group has used.</summary>
/// <param name="Key">What stands before the number, such as <c>usage_usec</c>; empty when the file is the number alone.</param>
/// <param name="NanosecondsPerCount">What one of the number is.</param>
public sealed record CpuCounter(string File, string Key, int NanosecondsPerCount);
