using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Planning.Snapshots;
using Alveare.Planning.WhatIf;
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

    [Fact]
    public async Task ThePoolsLimitBoundsWhatItsMachinesAskForTogether()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Manual, hosts: 2, machines: 4);
        var site = cluster.Site;
        var elsewhere = await site.CreateAsync("elsewhere", host: 2, on: true);
        var outer = (await site.SucceedAsync(new CreatePool { Target = site.Cluster, Name = "batch", CpuLimit = new(3000) })).Result!.Value;
        var inner = (await site.SucceedAsync(new CreatePool { Target = site.Cluster, Name = "nightly", Pool = outer })).Result!.Value;
        foreach (var (vm, pool) in new[] { (cluster.Vm("vm1").Id, outer), (cluster.Vm("vm2").Id, inner), (elsewhere, outer) })
            await site.SucceedAsync(new MoveToPool { Target = vm, Pool = pool });
        await site.SucceedAsync(new SetResources { Target = cluster.Vm("vm1").Id, CpuShares = 1000 });
        await site.SucceedAsync(new SetResources { Target = elsewhere, CpuShares = 1000 });
        await site.SucceedAsync(new UpdatePool { Target = inner, CpuShares = 1000 });
        // Each has what the limit leaves it, and waits for the rest of its two CPUs.
        cluster.Tell(TimeSpan.FromMinutes(5), v => v.Pool is null ? 50 : 40, readyPercent: v => v.Pool is null ? 0 : 80);
        var read = Exported(cluster);
        var free = 0.5 * site.Now.OfType<Host>().First().Facts!.CpuClock.Value;
        Assert.Equal([1000.0, 1000, 1000, free, free], new[] { "vm1", "vm2", "elsewhere", "vm3", "vm4" }.Select(v => Math.Round(read[v].CpuDemandMhz, 3)));

        // One whose host is not read takes its part all the same.
        site.Simulation.Hosts[1].KillAgent();
        await site.UntilAsync(now => now.Get<Host>(site.Host(2)).Connection == HostConnection.NotResponding, "the second host is lost");
        read = Exported(cluster);
        Assert.Equal([1000.0, 1000], new[] { read["vm1"], read["vm2"] }.Select(v => Math.Round(v.CpuDemandMhz, 3)));
        Assert.False(read.ContainsKey("elsewhere"));

        // A machine is held by its own limit within that, and leaves the rest to the others.
        await site.SucceedAsync(new SetResources { Target = cluster.Vm("vm1").Id, CpuLimit = new(200) });
        read = Exported(cluster);
        Assert.Equal([200.0, 1400], new[] { read["vm1"], read["vm2"] }.Select(v => Math.Round(v.CpuDemandMhz, 3)));
    }

    [Fact]
    public async Task WhatIfsOfTheExportNameTheHostsThatTheCenterTakes()
    {
        await using var cluster = await BalanceSite.OpenAsync(BalanceMode.Partial, machines: 0);
        var site = cluster.Site;
        // The first host has promised most of its memory, and the second has most of its memory worked with.
        foreach (var (host, vms, gib) in new[] { (1, 2, 16), (2, 6, 4), (3, 2, 2) })
        {
            for (var n = 1; n <= vms; n++)
                await site.CreateAsync($"vm{host}{n}", host, on: true, Bytes.FromGib(gib));
        }

        cluster.Tell(TimeSpan.FromMinutes(5), _ => 10);
        string NameOf(EntityId? host) => site.Now.Get<Host>(host!.Value).Name;
        var emptied = Answering.Maintenance(Export(cluster), new HostQuestion { Host = "h3" }).Moves.Select(m => (m.Vm, m.To)).ToHashSet();
        Assert.True(emptied.SetEquals(site.Engine.Maintenance.Plan(site.Host(3)).Moves.Select(m => (m.Name, m.ToName))));
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(3) });
        Assert.True(emptied.SetEquals(new[] { "vm31", "vm32" }.Select(v => (v, NameOf(site.Vm(v).Host)))));

        var placed = Answering.Place(Export(cluster), new PlaceQuestion { Memory = Bytes.FromGib(3) }).Host;
        var made = (await site.SucceedAsync(site.Creation("new") with { Location = site.Cluster, Memory = Bytes.FromGib(3) })).Result!.Value;
        await site.SucceedAsync(new PowerOn { Target = made });
        Assert.Equal(("h2", "h2"), (placed, NameOf(site.Vm(made).Host)));
    }

    private static Dictionary<string, SnapshotVm> Exported(BalanceSite cluster) => Export(cluster).Vms.ToDictionary(v => v.Id);

    // By way of the file, as an administrator has it.
    private static ClusterSnapshot Export(BalanceSite cluster) =>
        SnapshotReader.Read(SnapshotWriter.Write(cluster.Site.Engine.Balancing.Read(cluster.Site.Cluster).Snapshot), "export");
}
