using System.Collections.Immutable;
using Alveare.Kvm.Cgroups;
using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Kvm.Cgroups;

/// <summary>What ends up in the files of control groups, with directories in their place.</summary>
public sealed class ControlGroupFilesTests : IDisposable
{
    private static readonly GroupLimits Limits = new(new CpuLimits(2000, null), new MemoryLimits(new Bytes(1), new Bytes(2), new Bytes(3)));

    private readonly string root = Directory.CreateTempSubdirectory("alveare-test").FullName;

    [Fact]
    public void Version2LeavesToTheCommonGroupWhatItsMachinesHave()
    {
        File.WriteAllText(Path.Combine(root, "cgroup.controllers"), "");
        File.WriteAllText(Path.Combine(root, "cgroup.subtree_control"), "");
        // As the kernel would, a new group has its files at once.
        Make("all", "cgroup.controllers", "cgroup.subtree_control", "cpu.weight", "memory.min", "memory.low");
        var groups = new ControlGroupsV2(root, "all", _ => "");
        var group = Assert.Single(groups.Add(Guid.Empty));
        Make(group, "cpu.weight", "cpu.max", "memory.min", "memory.low", "memory.high");
        Assert.Empty(groups.Apply([group], Limits, null));
        groups.Apply(new CommonLimits(3000, new Bytes(10), new Bytes(20)));
        Assert.Equal(("200", "1", "2", "3"), (Read(group, "cpu.weight"), Read(group, "memory.min"), Read(group, "memory.low"), Read(group, "memory.high")));
        Assert.Equal(("300", "10", "20"), (Read("all", "cpu.weight"), Read("all", "memory.min"), Read("all", "memory.low")));
    }

    [Fact]
    public void Version1WritesWhatHasChangedIntoWhicheverHierarchyHasIt()
    {
        var (cpu, memory) = (Path.Combine(root, "cpu"), Path.Combine(root, "memory"));
        Make("cpu");
        Make("memory");
        var groups = new ControlGroupsV1([cpu, memory], cpu, "all");
        var made = groups.Add(Guid.Empty);
        Make(made[0], "cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us");
        Make(made[1], "memory.soft_limit_in_bytes", "memory.oom_control", "memory.limit_in_bytes");
        Assert.Empty(groups.Apply(made, Limits, null));
        Assert.Equal(("2", "1", "3"), (Read(made[1], "memory.soft_limit_in_bytes"), Read(made[1], "memory.oom_control"), Read(made[1], "memory.limit_in_bytes")));

        // What is as it was is not written again.
        File.WriteAllText(Path.Combine(made[1], "memory.soft_limit_in_bytes"), "untouched");
        Assert.Empty(groups.Apply(made, Limits with { Memory = Limits.Memory with { Most = null } }, Limits));
        Assert.Equal(("untouched", "0", "-1"), (Read(made[1], "memory.soft_limit_in_bytes"), Read(made[1], "memory.oom_control"), Read(made[1], "memory.limit_in_bytes")));
    }

    [Fact]
    public void AHierarchyThatLacksIsNamed()
    {
        Make("cpu");
        var groups = new ControlGroupsV1([Path.Combine(root, "cpu")], Path.Combine(root, "cpu"), "all");
        var made = groups.Add(Guid.Empty);
        Make(made[0], "cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us");
        Assert.Equal(
            [new UnwrittenFile("memory.soft_limit_in_bytes"), new UnwrittenFile("memory.oom_control"), new UnwrittenFile("memory.limit_in_bytes")], groups.Apply(made, Limits, null));
        Assert.Equal(Bytes.Zero, groups.ReadMemory(made));
    }

    [Fact]
    public void OnlyVersion2WithoutSwapLetsAMachineGrowBeyondItsLimit()
    {
        Assert.Null(new ControlGroupsV1([root], root, "all").WhyMemoryGrows);
        var swap = 0;
        var groups = new ControlGroupsV2(root, "all", file => file == "/proc/meminfo" ? $"MemTotal: 1024 kB\nSwapTotal:  {swap} kB\n" : "");
        Assert.Null(groups.WhyMemoryGrows);
        Make("all", "memory.high");
        Assert.Contains("add swap to the host (mkswap, swapon)", groups.WhyMemoryGrows, StringComparison.Ordinal);
        swap = 1024;
        Assert.Null(groups.WhyMemoryGrows);
    }

    [Theory]
    [InlineData("0x0007\n", true)]
    [InlineData("0x0000\n", false)]
    [InlineData("", false)]
    public void OnlyListsByGenerationsUnderVersion2TakeWhatIsPromised(string enabled, bool isTaken)
    {
        var groups = new ControlGroupsV2(root, "all", file => file == "/sys/kernel/mm/lru_gen/enabled" ? enabled : "");
        Assert.Equal(isTaken, groups.WhyMemoryIsTaken?.Contains("echo n > /sys/kernel/mm/lru_gen/enabled", StringComparison.Ordinal) ?? false);
        Assert.Null(new ControlGroupsV1([root], root, "all").WhyMemoryIsTaken);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    private void Make(string group, params ImmutableArray<string> files)
    {
        Directory.CreateDirectory(Path.Combine(root, group));
        foreach (var file in files)
            File.WriteAllText(Path.Combine(root, group, file), "");
    }

    private string Read(string group, string file) => File.ReadAllText(Path.Combine(root, group, file));
}
