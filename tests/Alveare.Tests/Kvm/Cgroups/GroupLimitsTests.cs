using Alveare.Kvm.Cgroups;
using Alveare.Model;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Tests.Kvm.Cgroups;

/// <summary>What resource controls become in the kernel's files, in both versions of the interface.</summary>
public sealed class GroupLimitsTests
{
    private static readonly MemoryLimits NoMemory = new(Bytes.Zero, Bytes.Zero, null);

    [Fact]
    public void AMachineWithoutControlsWeighsByItsCpusAndHasNoLimit()
    {
        var limits = new GroupLimits(new CpuLimits(2000, null), NoMemory);
        Assert.Equal(
            [("cpu.shares", "2048"), ("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "-1"), ("memory.soft_limit_in_bytes", "0"), ("memory.limit_in_bytes", "-1"), ("memory.oom_control", "0")], limits.Version1);
        Assert.Equal([("cpu.weight", "200"), ("cpu.max", "max 100000"), ("memory.min", "0"), ("memory.low", "0"), ("memory.high", "max")], limits.Version2);
    }

    [Fact]
    public void ALimitIsAPartOfTheTimeAndSharesAreWeights()
    {
        var limits = new GroupLimits(new CpuLimits(4000, 0.2), new MemoryLimits(Bytes.FromMib(64), Bytes.FromMib(128), Bytes.FromMib(256)));
        Assert.Equal(
            [("cpu.shares", "4096"), ("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "20000"), ("memory.soft_limit_in_bytes", "134217728"), ("memory.oom_control", "1"), ("memory.limit_in_bytes", "268435456")], limits.Version1);
        Assert.Equal([("cpu.weight", "400"), ("cpu.max", "20000 100000"), ("memory.min", "67108864"), ("memory.low", "134217728"), ("memory.high", "268435456")], limits.Version2);
    }

    [Theory]
    [InlineData(1, "2", "1")]
    [InlineData(ShareScale.Max, "262144", "10000")]
    public void WhatTheKernelDoesNotTakeIsTheNextThatItTakes(int shares, string version1, string version2)
    {
        var limits = new CpuLimits(shares, 0.0005);
        Assert.Equal(version1, limits.Version1.First().Value);
        Assert.Equal(version2, limits.Version2.First().Value);
        Assert.Equal("1000 100000", limits.Version2.ElementAt(1).Value);
    }

    [Fact]
    public void WhatAllMachinesHaveTheirCommonGroupHas()
    {
        var common = new CommonLimits(3000, Bytes.FromMib(1), Bytes.FromMib(2));
        Assert.Equal([("cpu.shares", "3072")], common.Version1);
        Assert.Equal([("cpu.weight", "300"), ("memory.min", "1048576"), ("memory.low", "2097152")], common.Version2);
    }

    [Fact]
    public void WhatDiffersByLittleIsNotWorthAWrite()
    {
        var cpu = new CpuLimits(1000, 0.5);
        Assert.True(cpu.IsNear(new CpuLimits(1020, 0.505)));
        Assert.False(cpu.IsNear(cpu with { Shares = 1100 }));
        Assert.False(cpu.IsNear(cpu with { Cpus = 0.55 }));
        Assert.False(cpu.IsNear(cpu with { Cpus = null }));

        var memory = new MemoryLimits(Bytes.FromMib(10), Bytes.FromMib(1000), Bytes.FromMib(2000));
        Assert.True((memory with { Due = Bytes.FromMib(1040), Most = Bytes.FromMib(2040) }).IsNear(memory));
        Assert.True((memory with { Due = Bytes.FromMib(960) }).IsNear(memory));
        Assert.False((memory with { Promised = Bytes.FromMib(11) }).IsNear(memory));
        Assert.False((memory with { Due = Bytes.FromMib(1100) }).IsNear(memory));
        Assert.False((memory with { Most = Bytes.FromMib(2100) }).IsNear(memory));
        Assert.False((memory with { Most = null }).IsNear(memory));
        Assert.False(memory.IsNear(memory with { Most = null }));
    }

    [Fact]
    public void ALimitThatFallsIsAlwaysWritten()
    {
        var memory = new MemoryLimits(Bytes.Zero, Bytes.Zero, Bytes.FromMib(2000));
        Assert.False((memory with { Most = Bytes.FromMib(1999) }).IsNear(memory));
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
            Assert.Equal([new UnwrittenFile("cpu.cfs_quota_us")], missing);
            Assert.Equal(("5", "6"), (File.ReadAllText(Path.Combine(cpu, "cpu.shares")), File.ReadAllText(Path.Combine(memory, "memory.soft_limit_in_bytes"))));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
