using System.Collections.Immutable;
using Alveare.Model;

namespace Alveare.Kvm.Cgroups;

/// <summary>Control groups of version 2: one hierarchy for all controllers.</summary>
/// <param name="readText">Reads a small file of the kernel; empty when it is not there.</param>
internal sealed class ControlGroupsV2(string root, string parentName, Func<string, string> readText) : IControlGroups
{
    private static readonly string[] Wanted = ["cpu", "memory", "io"];

    private readonly ControlGroupTree tree = new(root, parentName);
    private readonly Lock sync = new();

    public ImmutableArray<string> Add(Guid machine)
    {
        lock (sync)
        {
            return [tree.Add(machine, parent =>
            {
                Enable(root);
                Enable(parent);
            })];
        }
    }

    public void Remove(ImmutableArray<string> groups)
    {
        lock (sync)
        {
            foreach (var group in groups.Where(tree.Contains))
                tree.Remove(group);
        }
    }

    public void Sweep(IReadOnlySet<string> inUse)
    {
        lock (sync)
            tree.Sweep(inUse);
    }

    public IReadOnlyList<UnwrittenFile> Apply(ImmutableArray<string> groups, GroupLimits limits, GroupLimits? present) =>
        GroupLimits.Write(groups.Where(tree.Contains), limits.Version2.Except(present?.Version2 ?? []));

    public void Apply(CommonLimits common) => GroupLimits.Write([tree.Parent], common.Version2);

    public bool WeighDisks(ImmutableArray<string> groups, long shares, long all) =>
        DiskWeight.Write(groups.Where(tree.Contains), shares) && DiskWeight.Write([tree.Parent], all);

    // Swap may have been added since the last time.
    public string? WhyMemoryGrows => MemoryUse.ParseSwap(readText("/proc/meminfo")) > Bytes.Zero || !File.Exists(Path.Combine(tree.Parent, "memory.high"))
        ? null
        : "this host cannot swap, so that control groups of version 2 slow the machine down at its memory limit and let it grow beyond that by about 1 MiB a second, "
            + "unless its guest gives memory back; add swap to the host (mkswap, swapon), which takes what is beyond the limit";

    // Bits of what is switched on, or nothing of it.
    public string? WhyMemoryIsTaken => readText("/sys/kernel/mm/lru_gen/enabled").Trim() is "" or "0x0000"
        ? null
        : "this host's kernel lists pages by generations, and with version 2 of control groups was seen to take memory that a machine was promised; "
            + "'echo n > /sys/kernel/mm/lru_gen/enabled' switches that off";

    public Bytes ReadMemory(ImmutableArray<string> groups) => MemoryUse.Read(groups.Where(tree.Contains), "memory.current");

    // Counted with or without the cpu controller.
    public CpuCounter? CounterOf(ImmutableArray<string> groups) =>
        groups.FirstOrDefault(tree.Contains) is { } group
            ? new CpuCounter(Path.Combine(group, "cpu.stat"), "usage_usec", 1000)
            : null;

    /// <summary>Gives the children of a group the controllers that the group itself has. systemd has done it for the root already.</summary>
    private static void Enable(string group)
    {
        var here = Words(Path.Combine(group, "cgroup.controllers"));
        var below = Words(Path.Combine(group, "cgroup.subtree_control"));
        foreach (var controller in Wanted.Where(c => here.Contains(c) && !below.Contains(c)))
        {
            try
            {
                File.WriteAllText(Path.Combine(group, "cgroup.subtree_control"), $"+{controller}");
            }
            catch (IOException)
            {
                // The root of a container's namespace has processes in it and cannot pass controllers on: CPU time is counted all the same.
            }
        }
    }

    private static string[] Words(string file) => File.ReadAllText(file).Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
}
