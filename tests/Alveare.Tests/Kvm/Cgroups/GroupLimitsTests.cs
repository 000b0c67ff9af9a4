using Alveare.Kvm.Cgroups;
using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Tests.Kvm.Cgroups;

/// <summary>What resource controls become in the kernel's files, in both versions of the interface.</summary>
public sealed class GroupLimitsTests
{
    private static readonly Megahertz Clock = new(2000);

    [Fact]
    public void AMachineWithoutControlsWeighsByItsCpusAndHasNoLimit()
    {
        var limits = GroupLimits.Of(SpecOf(2, ResourceControls.None), 2000, null, Clock);
        Assert.Equal(
            [("cpu.shares", "2048"), ("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "-1"), ("memory.soft_limit_in_bytes", "0"), ("memory.oom_control", "0"), ("memory.limit_in_bytes", "-1")], limits.Version1);
        Assert.Equal([("cpu.weight", "200"), ("cpu.max", "max 100000"), ("memory.low", "0"), ("memory.high", "max")], limits.Version2);
    }

    [Fact]
    public void ALimitIsAPartOfTheClockAndSharesAreWeights()
    {
        var controls = new ResourceControls
        {
            Cpu = new CpuControl { Limit = new Megahertz(400) }, Memory = new MemoryControl { Reservation = Bytes.FromMib(64), Limit = Bytes.FromMib(256) },
        };
        var limits = GroupLimits.Of(SpecOf(1, controls), 4000, null, Clock);
        Assert.Equal(
            [("cpu.shares", "4096"), ("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "20000"), ("memory.soft_limit_in_bytes", "67108864"), ("memory.oom_control", "1"), ("memory.limit_in_bytes", "268435456")], limits.Version1);
        Assert.Equal([("cpu.weight", "400"), ("cpu.max", "20000 100000"), ("memory.low", "67108864"), ("memory.high", "268435456")], limits.Version2);
    }

    [Theory]
    [InlineData(1, "2", "1")]
    [InlineData(ShareScale.Max, "262144", "10000")]
    public void WhatTheKernelDoesNotTakeIsTheNextThatItTakes(int shares, string version1, string version2)
    {
        var limits = GroupLimits.Of(SpecOf(1, new ResourceControls { Cpu = new CpuControl { Limit = new Megahertz(1) } }), shares, null, Clock);
        Assert.Equal(version1, limits.Version1.First().Value);
        Assert.Equal(version2, limits.Version2.First().Value);
        Assert.Equal("1000 100000", limits.Version2.ElementAt(1).Value);
    }

    [Fact]
    public void WithoutAClockThereIsNoLimit() =>
        Assert.Null(GroupLimits.Of(SpecOf(1, new ResourceControls { Cpu = new CpuControl { Limit = new Megahertz(400) } }), 1000, null, Megahertz.Zero).Cpus);

    [Fact]
    public void WhatAPoolLeavesToAMachineIsALimitAsItsOwnAndTheSmallerCounts()
    {
        var limited = new ResourceControls { Cpu = new CpuControl { Limit = new Megahertz(400) } };
        Assert.Equal(0.1, GroupLimits.Of(SpecOf(1, limited), 1000, 200, Clock).Cpus);
        Assert.Equal(0.2, GroupLimits.Of(SpecOf(1, limited), 1000, 800, Clock).Cpus);
        Assert.Equal(0.4, GroupLimits.Of(SpecOf(1, ResourceControls.None), 1000, 800, Clock).Cpus);
    }

    [Fact]
    public void WhatDiffersByLittleIsNotWorthAWrite()
    {
        var limits = new GroupLimits(1000, 0.5, Bytes.Zero);
        Assert.True(limits.IsNear(new GroupLimits(1020, 0.505, Bytes.Zero)));
        Assert.False(limits.IsNear(limits with { Shares = 1100 }));
        Assert.False(limits.IsNear(limits with { Cpus = 0.55 }));
        Assert.False(limits.IsNear(limits with { Cpus = null }));
        Assert.False(limits.IsNear(limits with { Memory = new Bytes(1) }));
    }

    [Fact]
    public void EachFileIsWrittenWhereItIsAndMissingOnesAreNamed()
    {
        var root = Directory.CreateTempSubdirectory("alveare-test").FullName;
        try
        {
            var (cpu, memory) = (Path.Combine(root, "cpu"), Path.Combine(root, "memory"));
            Directory.CreateDirectory(cpu);
            Directory.CreateDirectory(memory);
            File.WriteAllText(Path.Combine(cpu, "cpu.shares"), "");
            File.WriteAllText(Path.Combine(memory, "memory.soft_limit_in_bytes"), "");
            var missing = GroupLimits.Write([cpu, memory], [("cpu.shares", "5"), ("memory.soft_limit_in_bytes", "6"), ("cpu.cfs_quota_us", "7")]);
            Assert.Equal(["cpu.cfs_quota_us"], missing);
            Assert.Equal(("5", "6"), (File.ReadAllText(Path.Combine(cpu, "cpu.shares")), File.ReadAllText(Path.Combine(memory, "memory.soft_limit_in_bytes"))));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static MachineSpec SpecOf(int cpus, ResourceControls resources) =>
        new() { Uuid = Guid.NewGuid(), Name = "vm", Cpus = cpus, Memory = Bytes.FromMib(128), Resources = resources };
}
