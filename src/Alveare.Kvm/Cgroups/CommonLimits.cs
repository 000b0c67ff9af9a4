using Alveare.Model;

namespace Alveare.Kvm.Cgroups;

/// <summary>What the group that holds those of all machines has against the rest of the host: what they have together.</summary>
/// <remarks>Version 2 leaves to a group no more than to the one that it is in (cgroup-v2.rst: "effective low boundary is limited by memory.low values of
/// all ancestor cgroups"). Soft limits of version 1 stand by themselves.</remarks>
/// <param name="Shares">Of CPU.</param>
public sealed record CommonLimits(long Shares, Bytes Promised, Bytes Due)
{
    public IEnumerable<(string File, string Value)> Version1 => [CpuLimits.Weight1(Shares)];

    public IEnumerable<(string File, string Value)> Version2 => [CpuLimits.Weight2(Shares), .. MemoryLimits.Protection2(Promised, Due)];
}
