using System.Collections.Immutable;
using Alveare.Model;

namespace Alveare.Kvm.Cgroups;

/// <summary>Control groups of version 1: a hierarchy for each controller, of which several may be one.</summary>
/// <param name="roots">The hierarchies to use, each once.</param>
/// <param name="accounting">The one among them that counts CPU time (controller <c>cpuacct</c>).</param>
internal sealed class ControlGroupsV1(ImmutableArray<string> roots, string accounting, string parentName) : IControlGroups
{
    private const string Usage = "memory.usage_in_bytes";

    private readonly ImmutableArray<ControlGroupTree> trees = [.. roots.Select(r => new ControlGroupTree(r, parentName))];
    private readonly Lock sync = new();

    public ImmutableArray<string> Add(Guid machine)
    {
        lock (sync)
            return [.. trees.Select(t => t.Add(machine))];
    }

    public void Remove(ImmutableArray<string> groups)
    {
        lock (sync)
        {
            foreach (var group in groups)
                trees.FirstOrDefault(t => t.Contains(group))?.Remove(group);
        }
    }

    public void Sweep(IReadOnlySet<string> inUse)
    {
        lock (sync)
        {
            foreach (var tree in trees)
                tree.Sweep(inUse);
        }
    }

    /// <remarks>The kernel refuses a limit below what a group has taken and cannot give up: it is held to that, and grows no further.</remarks>
    public IReadOnlyList<UnwrittenFile> Apply(ImmutableArray<string> groups, GroupLimits limits, GroupLimits? present)
    {
        var unwritten = GroupLimits.Write(groups, limits.Version1.Except(present?.Version1 ?? []));
        if (limits.Memory.Most is not null && unwritten.Any(u => u is { File: MemoryLimits.File1, Why: not null }))
            GroupLimits.Write(groups, [(MemoryLimits.File1, GroupLimits.Number(MemoryUse.ReadAll(groups, Usage).Value))]);
        return unwritten;
    }

    public void Apply(CommonLimits common) => GroupLimits.Write(trees.Select(t => t.Parent), common.Version1);

    public bool WeighDisks(ImmutableArray<string> groups, long shares, long all) =>
        DiskWeight.Write(groups, shares) && DiskWeight.Write(trees.Select(t => t.Parent), all);

    // It waits at its limit, where it cannot be swapped out.
    public string? WhyMemoryGrows => null;

    // It promises no more than the kernel can do anyhow.
    public string? WhyMemoryIsTaken => null;

    public Bytes ReadMemory(ImmutableArray<string> groups) => MemoryUse.Read(groups, Usage);

    public CpuCounter? CounterOf(ImmutableArray<string> groups) =>
        groups.FirstOrDefault(trees.First(t => t.Root == accounting).Contains) is { } group
            ? new CpuCounter(Path.Combine(group, "cpuacct.usage"), "", 1)
            : null;
}
