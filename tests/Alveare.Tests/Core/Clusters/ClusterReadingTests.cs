using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Operations;
using Alveare.Planning.Snapshots;
using Alveare.Tests.Core.Balancing;
using Xunit;

namespace Alveare.Tests.Core.Clusters;

/// <summary>A live cluster as planning sees it, and as it is exported.</summary>
public sealed class ClusterReadingTests
{
    [Fact]
    public async Task WhatAMachineMayTakeIsRead()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual, machines: 2);
        cluster.Tell(TimeSpan.FromMinutes(1), _ => 10);
        var (limited, free) = (cluster.Vm("vm1"), cluster.Vm("vm2"));
        var limit = Bytes.FromMib((long)limited.Spec!.Memory.Mb - 8);
        await cluster.Site.SucceedAsync(new SetResources { Target = limited.Id, MemoryLimit = limit, CpuLimit = new(700) });
        var read = Exported(cluster);
        Assert.Equal((limit.Mb, 700.0), (read["vm1"].MemLimitMb, read["vm1"].CpuLimitMhz));
        Assert.Equal((-1, -1), (read["vm2"].MemLimitMb, read["vm2"].CpuLimitMhz));
        Assert.Equal(free.Spec!.Memory.Mb, read["vm2"].MemMb);
    }

    [Fact]
    public async Task AMachineThatIsPausedIsReadSo()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual, machines: 2);
        cluster.Tell(TimeSpan.FromMinutes(1), _ => 10);
        await cluster.Site.SucceedAsync(new PauseVm { Target = cluster.Vm("vm1").Id });
        Assert.Equal((true, false), (Exported(cluster)["vm1"].IsPaused, Exported(cluster)["vm2"].IsPaused));
        await cluster.Site.SucceedAsync(new ResumeVm { Target = cluster.Vm("vm1").Id });
        Assert.False(Exported(cluster)["vm1"].IsPaused);
    }

    // By way of the file, as an administrator has it.
    private static Dictionary<string, SnapshotVm> Exported(BalanceSite cluster) =>
        SnapshotReader.Read(SnapshotWriter.Write(cluster.Site.Engine.Balancing.Read(cluster.Site.Cluster).Snapshot), "export").Vms.ToDictionary(v => v.Id);
}
