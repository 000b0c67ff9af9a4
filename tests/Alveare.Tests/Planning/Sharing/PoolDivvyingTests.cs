using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

/// <summary>The parts of a cluster's pools that its hosts get.</summary>
public sealed class PoolDivvyingTests
{
    private static readonly EntityId Outer = new(EntityKind.ResourcePool, Number(1));
    private static readonly EntityId Inner = new(EntityKind.ResourcePool, Number(2));

    [Fact]
    public void AHostHasThePartThatItsMachinesAreEntitledTo()
    {
        // On the first host a machine that wants 3000, on the second one that wants 1000: of 2400 that the limit leaves them the first has 1400 and the second 1000.
        var hosts = Divvy([(1, 1, Outer, 3000), (2, 2, Outer, 1000), (3, 2, null, 500)], new CpuControl { Reservation = new(1200), Limit = new(2400), Shares = 4000 });
        var (first, second) = (Assert.Single(hosts[Host(1)]).Cpu, Assert.Single(hosts[Host(2)]).Cpu);
        Assert.Equal((1400, 1000), (first.Limit!.Value.Value, second.Limit!.Value.Value));
        Assert.Equal((700, 500), (first.Reservation.Value, second.Reservation.Value));
        Assert.Equal((2333, 1667), (first.Shares, second.Shares));
        Assert.Equal([Vm(1)], Assert.Single(hosts[Host(1)]).Machines);
    }

    [Fact]
    public void APoolWithoutMachinesOnAHostIsNotThere()
    {
        var hosts = Divvy([(1, 1, Inner, 1000), (2, 2, null, 1000)], new CpuControl());
        Assert.Equal([Outer, Inner], hosts[Host(1)].Select(p => p.Pool));
        Assert.False(hosts.ContainsKey(Host(2)));
    }

    [Fact]
    public void ThePartsOfAPoolAreThePool() =>
        Gen.Select(Gen.Int[1, 4], Gen.Int[0, 2], Gen.Double[0, 3000]).Array[1, 12].Sample(drawn =>
        {
            var control = new CpuControl { Reservation = new(3000), Limit = new(6000), Shares = 4000 };
            var hosts = Divvy([.. drawn.Select((d, i) => (i + 1, d.Item1, d.Item2 switch { 0 => default(EntityId?), 1 => Outer, _ => Inner }, d.Item3))], control);
            foreach (var pool in new[] { Outer, Inner })
            {
                var parts = hosts.Values.SelectMany(h => h).Where(p => p.Pool == pool).Select(p => p.Cpu).ToList();
                if (parts.Count == 0)
                    continue;
                var whole = pool == Outer ? control : new CpuControl { Shares = ShareScale.NormalPoolCpu };
                Assert.InRange(parts.Sum(p => p.Reservation.Value), whole.Reservation.Value - parts.Count, whole.Reservation.Value);
                Assert.InRange(parts.Sum(p => p.Limit?.Value ?? 0), whole.Limit?.Value ?? 0, (whole.Limit?.Value ?? 0) + parts.Count);
                Assert.InRange(parts.Sum(p => p.Shares!.Value), whole.Shares!.Value - parts.Count, whole.Shares.Value + parts.Count);
            }
        });

    [Fact]
    public void SmallDifferencesAreNotWorthTelling()
    {
        ImmutableArray<HostPool> Pools(long reservation, params int[] vms) => [new(Outer, null, new CpuControl { Reservation = new(reservation), Shares = 4000 }, [.. vms.Select(Vm)])];
        Assert.True(PoolDivvying.AreNear(Pools(1000, 1), Pools(1040, 1)));
        Assert.False(PoolDivvying.AreNear(Pools(1000, 1), Pools(1100, 1)));
        Assert.False(PoolDivvying.AreNear(Pools(1000, 1), Pools(1000, 1, 2)));
        Assert.False(PoolDivvying.AreNear(Pools(1000, 1), []));
    }

    [Fact]
    public void MemoryIsSplitByWhatMachinesHaveOfItAndNotByTheirCpu()
    {
        var memory = new MemoryControl { Reservation = new(1200), Limit = new(2400), Shares = 4000 };
        // As much CPU on both hosts, and of memory three times as much on the second.
        var hosts = Divvy([(1, 1, Outer, 500), (2, 2, Outer, 500)], new CpuControl(), memory, m => 600 * ((2 * m) - 1));
        var (first, second) = (Assert.Single(hosts[Host(1)]), Assert.Single(hosts[Host(2)]));
        Assert.Equal(first.Cpu, second.Cpu);
        Assert.Equal(new MemoryControl { Reservation = new(300), Limit = new(600), Shares = 1000 }, first.Memory);
        Assert.Equal(new MemoryControl { Reservation = new(900), Limit = new(1800), Shares = 3000 }, second.Memory);
        Assert.False(PoolDivvying.AreNear([first], [first with { Memory = second.Memory }]));
    }

    [Fact]
    public void OfMemoryThatNobodyDividesNothingIsSaid() =>
        Assert.Null(Assert.Single(Divvy([(1, 1, Outer, 500)], new CpuControl())[Host(1)]).Memory);

    [Fact]
    public void LimitsOfDisksAreSplitByWhatDisksWantAndSharesByMachines()
    {
        // Of 300 a second a disk that wants 50 leaves the other host's 250; machines without disks have no part.
        var hosts = Divvy(
            [(1, 1, Outer, 500), (2, 2, Outer, 500), (3, 2, Outer, 500)], new CpuControl(), disk: new DiskControl { IopsLimit = 300, Shares = 6000 },
            devices: rate => rate == DeviceRate.Iops
                ? new Dictionary<EntityId, Claim> { [Vm(1)] = new(0, 1000) { Demand = 50 }, [Vm(2)] = new(0, 1000) }
                : ImmutableDictionary<EntityId, Claim>.Empty);
        Assert.Equal(new DiskControl { IopsLimit = 50, Shares = 2000 }, Assert.Single(hosts[Host(1)]).Disk);
        Assert.Equal(new DiskControl { IopsLimit = 250, Shares = 4000 }, Assert.Single(hosts[Host(2)]).Disk);
        Assert.Equal(PoolNetworkControl.None, Assert.Single(hosts[Host(1)]).Network);
    }

    private static ImmutableDictionary<EntityId, ImmutableArray<HostPool>> Divvy(
        (int Vm, int Host, EntityId? Pool, double Demand)[] machines, CpuControl outer, MemoryControl? memory = null, Func<int, double>? taken = null,
        DiskControl? disk = null, Func<DeviceRate, IReadOnlyDictionary<EntityId, Claim>>? devices = null) => PoolDivvying.Divvy(
        new(10_000, machines.ToDictionary(m => Vm(m.Vm), m => new Claim(0, 1000) { Demand = m.Demand, Limit = 4000 })),
        new(10_000, machines.ToDictionary(m => Vm(m.Vm), m => new Claim(taken?.Invoke(m.Vm) ?? 0, 1000))),
        devices ?? (_ => ImmutableDictionary<EntityId, Claim>.Empty),
        [
            new(Outer, new EntityId(EntityKind.Cluster, Number(9)), outer, [.. machines.Where(m => m.Pool == Outer).Select(m => Vm(m.Vm))]) { Memory = memory, Disk = disk ?? DiskControl.None },
            new(Inner, Outer, new CpuControl(), [.. machines.Where(m => m.Pool == Inner).Select(m => Vm(m.Vm))]),
        ],
        machines.ToDictionary(m => Vm(m.Vm), m => Host(m.Host)));

    private static EntityId Vm(int number) => EntityId.Vm(Number(number));

    private static EntityId Host(int number) => EntityId.Host(Number(number));

    private static Guid Number(int number) => new(number, 0, 0, new byte[8]);
}
