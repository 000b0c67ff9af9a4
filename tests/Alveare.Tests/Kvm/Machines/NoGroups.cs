using System.Collections.Immutable;
using Alveare.Kvm.Cgroups;
using Alveare.Model;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>Control groups that take everything and do nothing.</summary>
internal class NoGroups : IControlGroups
{
    public string? WhyMemoryGrows => null;

    public string? WhyMemoryIsTaken => null;

    /// <summary>What all machines together were given, oldest first.</summary>
    public List<CommonLimits> Together { get; } = [];

    public ImmutableArray<string> Add(Guid machine) => [];

    public virtual void Remove(ImmutableArray<string> groups)
    {
    }

    public void Sweep(IReadOnlySet<string> inUse)
    {
    }

    public IReadOnlyList<UnwrittenFile> Apply(ImmutableArray<string> groups, GroupLimits limits, GroupLimits? present) => [];

    public bool WeighDisks(ImmutableArray<string> groups, long shares, long all) => true;

    public void Apply(CommonLimits common) => Together.Add(common);

    public Bytes ReadMemory(ImmutableArray<string> groups) => Bytes.Zero;

    public CpuCounter? CounterOf(ImmutableArray<string> groups) => null;
}
