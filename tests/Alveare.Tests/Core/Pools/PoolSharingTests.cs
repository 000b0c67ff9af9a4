using System.Collections.Immutable;
using Alveare.Core.Pools;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Operations;
using Alveare.Model.Resources;
using Alveare.Tests.Core.Balancing;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Pools;

/// <summary>What hosts are told of resource pools, and when.</summary>
public sealed class PoolSharingTests
{
    [Fact]
    public async Task EachHostIsToldItsPartAndOnlyWhenItHasChanged()
    {
        // The rounds are the test's: the engine's own would take the refusal, and count.
        await using var balanced = await BalanceSite.OpenAsync(BalanceMode.Manual, hosts: 2, machines: 4, time: new PushedTime { HeldFrom = PoolSharing.Interval });
        var site = balanced.Site;
        var pool = (await site.SucceedAsync(new CreatePool { Target = site.Cluster, Name = "prod", CpuReservation = new(4000), CpuLimit = new(4000), MemoryLimit = Bytes.FromMib(3000), IopsLimit = 400, InLimit = Bytes.FromMib(1) })).Result!.Value;
        foreach (var name in new[] { "vm1", "vm2" })
            await site.SucceedAsync(new MoveToPool { Target = site.Vm(name).Id, Pool = pool });
        balanced.Tell(TimeSpan.FromMinutes(1), _ => 100);
        await TellAsync(site);
        var whole = Assert.Single(Pools(balanced, 1));
        Assert.Equal((4000, 4000, 4000), (whole.Cpu.Reservation.Value, whole.Cpu.Limit!.Value.Value, whole.Cpu.Shares));
        Assert.Equal((Bytes.FromMib(3000), ShareScale.NormalPoolMemory), (whole.Memory!.Limit, whole.Memory.Shares));
        Assert.Equal((new DiskControl { IopsLimit = 400 }, new PoolNetworkControl { InLimit = Bytes.FromMib(1) }), (whole.Disk, whole.Network));
        Assert.Equal(new[] { site.Vm("vm1").Id, site.Vm("vm2").Id }.Order(), whole.Machines);
        Assert.Empty(Pools(balanced, 2));

        // A little more or less of load is nothing to tell.
        var told = Told(balanced);
        balanced.Tell(TimeSpan.FromMinutes(1), _ => 99);
        await TellAsync(site);
        Assert.Equal(told, Told(balanced));
        await site.SucceedAsync(new MigrateVm { Target = site.Vm("vm2").Id, Host = site.Host(2) });
        balanced.Tell(TimeSpan.FromMinutes(1), v => v.Name == "vm1" ? 150 : 50);
        await TellAsync(site);
        Assert.Equal(told + 2, Told(balanced));
        var (first, second) = (Assert.Single(Pools(balanced, 1)).Cpu, Assert.Single(Pools(balanced, 2)).Cpu);
        Assert.InRange(first.Reservation.Value + second.Reservation.Value, 3998, 4000);
        Assert.True(first.Reservation > second.Reservation);
        // Both have as much memory, whatever they do with their CPU.
        Assert.All([1, 2], h => Assert.Equal(Bytes.FromMib(1500), Assert.Single(Pools(balanced, h)).Memory!.Limit));

        Assert.Equal(400, new[] { 1, 2 }.Sum(h => Assert.Single(Pools(balanced, h)).Disk.IopsLimit));

        // A host that cannot be told now is told the next time, and all forget a pool that is gone.
        await site.SucceedAsync(new DestroyPool { Target = pool });
        site.Hosts.Refuse<ApplyPools>(new Unsupported("the host", "it"));
        await TellAsync(site);
        told = Told(balanced);
        await TellAsync(site);
        Assert.Equal(told + 1, Told(balanced));
        Assert.All(site.Simulation.Hosts, h => Assert.Empty(h.Disk.Pools));
    }

    private static int Told(BalanceSite balanced) => balanced.Site.Hosts.Sent.Count(s => s.Command is ApplyPools);

    private static ImmutableArray<HostPool> Pools(BalanceSite balanced, int host) => balanced.Site.Hosts.Sent
        .Where(s => s.Host == balanced.Site.Host(host)).Select(s => s.Command).OfType<ApplyPools>().LastOrDefault()?.Pools ?? [];

    private static Task TellAsync(MachineSite site) => site.Engine.Pools.TellAsync(CancellationToken.None);
}
