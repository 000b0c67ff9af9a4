using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Model.Statistics;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

/// <summary>What disks and network cards are left of their pools' limits.</summary>
public sealed class DeviceRateTests
{
    private static readonly EntityId Outer = new(EntityKind.ResourcePool, Number(1));
    private static readonly EntityId Inner = new(EntityKind.ResourcePool, Number(2));

    [Fact]
    public void APoolsLimitGoesByShares()
    {
        var parts = DeviceRate.Iops.DivideAmongDevices(Claims(DeviceRate.Iops, (1, Disks(2000)), (2, Disks(1000))), [Pool(Outer, null, 300, 1, 2)]);
        Assert.Equal([200.0, 100.0], [parts[Vm(1)][0], parts[Vm(2)][0]]);
    }

    [Fact]
    public void WhatOneDiskDoesNotWantTheOthersHave()
    {
        var idle = DeviceRate.Iops.ClaimOf(new RatedDevice(1000, null), done: 0, held: 100);
        var busy = DeviceRate.Iops.ClaimOf(new RatedDevice(1000, null), done: 99, held: 100);
        var parts = DeviceRate.Iops.DivideAmongDevices(new Dictionary<EntityId, ImmutableArray<Claim>> { [Vm(1)] = [idle], [Vm(2)] = [busy] }, [Pool(Outer, null, 200, 1, 2)]);
        // The one that rests is left what it begins with.
        Assert.Equal([MachineLimits.MinIops, 200.0 - MachineLimits.MinIops], [parts[Vm(1)][0], parts[Vm(2)][0]]);
    }

    [Fact]
    public void AMachineInNoLimitedPoolHasItsOwnLimitOrNone()
    {
        var claims = Claims(DeviceRate.Iops, (1, Disks(1000)), (2, Disks(1000) with { Disks = [Disk(1000, 50), Disk(1000, null)] }), (3, Disks(1000)));
        var parts = DeviceRate.Iops.DivideAmongDevices(claims, [Pool(Outer, null, 300, 1)]);
        Assert.Equal([300.0], parts[Vm(1)]);
        Assert.Equal([50, double.PositiveInfinity], parts[Vm(2)]);
        Assert.Equal([double.PositiveInfinity], parts[Vm(3)]);
    }

    [Fact]
    public void AnOwnLimitBelowThePoolsPartHoldsAndTheRestGoesToTheOthers()
    {
        var parts = DeviceRate.Iops.DivideAmongDevices(
            Claims(DeviceRate.Iops, (1, Disks(1000) with { Disks = [Disk(1000, 20)] }), (2, Disks(1000))), [Pool(Outer, null, 300, 1, 2)]);
        Assert.Equal([20.0, 280.0], [parts[Vm(1)][0], parts[Vm(2)][0]]);
    }

    [Fact]
    public void AnInnerPoolSharesWithItsSiblings()
    {
        // The pool weighs as four disks, so it has four fifths of what its parent has, and its two machines half of that each.
        var parts = DeviceRate.Iops.DivideAmongDevices(
            Claims(DeviceRate.Iops, (1, Disks(1000)), (2, Disks(1000)), (3, Disks(1000))), [Pool(Outer, null, 500, 1), Pool(Inner, Outer, null, 2, 3)]);
        Assert.Equal([100.0, 200.0, 200.0], [parts[Vm(1)][0], parts[Vm(2)][0], parts[Vm(3)][0]]);
    }

    [Fact]
    public void AMachineIsHeldByAnyPoolAboveItThatHasALimitOfThatRate()
    {
        HostPool[] pools = [Pool(Outer, null, 500, 1), Pool(Inner, Outer, null, 2), Pool(new(EntityKind.ResourcePool, Number(3)), null, null, 3)];
        Assert.Equal([Vm(1), Vm(2)], DeviceRate.Iops.MachinesHeldBy(pools).Order());
        Assert.Empty(DeviceRate.DiskBytes.MachinesHeldBy(pools));
        Assert.Empty(DeviceRate.Out.MachinesHeldBy(pools));
    }

    [Fact]
    public void ADiskThatNearlyDoesWhatItIsHeldToMayWantAnyAmount()
    {
        Assert.Equal(double.PositiveInfinity, DeviceRate.Iops.ClaimOf(new RatedDevice(1000, null), done: 90, held: 100).Demand);
        Assert.Equal((50 * 1.25) + MachineLimits.MinIops, DeviceRate.Iops.ClaimOf(new RatedDevice(1000, null), done: 50, held: 100).Demand);
        Assert.Equal(double.PositiveInfinity, DeviceRate.Iops.ClaimOf(new RatedDevice(1000, null), done: null).Demand);
    }

    [Fact]
    public void EachRateIsOfItsOwnDevicesAndFigures()
    {
        var machine = Disks(1000) with
        {
            Disks = [new DiskSpec("a", Bytes.FromGib(1)) { Control = new DiskControl { IopsLimit = 1000, BandwidthLimit = new(2000) } }],
            Nics = [new NicSpec("52:54:00:00:00:01", "red") { Control = new NicControl { Out = new(new(3000)), In = new(new(4000)), Shares = 70 } }],
        };
        var sample = new MachineSample
        {
            Machine = Vm(1), At = DateTimeOffset.UnixEpoch, DiskReadsPerSecond = 1, DiskWritesPerSecond = 2, DiskReadBytesPerSecond = 3, DiskWriteBytesPerSecond = 4,
            NetworkSentBytesPerSecond = 5, NetworkReceivedBytesPerSecond = 6,
        };
        Assert.Equal(
            [(1000.0, 1000.0), (1000, 2000), (70, 3000), (70, 4000)],
            Rates.Select(r => (r.DevicesOf(machine)[0].Shares, r.DevicesOf(machine)[0].Limit!.Value)));
        var rest = Rates.Select(r => r.ClaimOf(new RatedDevice(1, null), done: 0).Demand).ToList();
        Assert.Equal([3 * 1.25, 7 * 1.25, 5 * 1.25, 6 * 1.25], Rates.Select((r, i) => r.ClaimOf(machine with { Disks = [Disk(1, null)], Nics = [new NicSpec("52:54:00:00:00:01", "red")] }, sample).Demand - rest[i]));
    }

    [Fact]
    public void ThePartsOfAPoolWithoutOtherLimitsAreItsLimit() =>
        Gen.Select(Gen.Int[1, 4000], Gen.Double[0, 500]).Array[1, 8].Select(Gen.Int[16, 1000]).Sample((disks, limit) =>
        {
            var claims = disks.Select((d, i) => (Id: Vm(i), Claim: DeviceRate.Iops.ClaimOf(new RatedDevice(d.Item1, null), d.Item2))).ToDictionary(c => c.Id, c => ImmutableArray.Create(c.Claim));
            var parts = DeviceRate.Iops.DivideAmongDevices(claims, [Pool(Outer, null, limit, [.. Enumerable.Range(0, disks.Length)])]);
            Assert.Equal(limit, parts.Values.Sum(p => p[0]), tolerance: 1e-6 * limit);
        });

    [Fact]
    public void PoolsWeighOnceOneHasShares()
    {
        var shares = new Dictionary<EntityId, double> { [Vm(1)] = 1000, [Vm(2)] = 1000, [Vm(3)] = 1000 };
        HostPool[] pools = [Pool(Outer, null, null, 1, 2)];
        Assert.Equal(shares, DeviceWeights.OfDisks(shares, pools));
        // The pool has a quarter of it all, and its machines share that.
        var weights = DeviceWeights.OfDisks(shares, [pools[0] with { Disk = new DiskControl { Shares = 333 } }, Pool(Inner, null, null)]);
        Assert.Equal(3000, weights[Vm(1)] + weights[Vm(2)] + weights[Vm(3)], tolerance: 1e-6);
        Assert.Equal(0.333, (weights[Vm(1)] + weights[Vm(2)]) / weights[Vm(3)], tolerance: 1e-6);
        Assert.Equal(weights[Vm(1)], weights[Vm(2)], tolerance: 1e-6);
        Assert.Equal(4, DeviceWeights.OfNics(new Dictionary<EntityId, double> { [Vm(1)] = 50, [Vm(2)] = 50 }, [Pool(Outer, null, null, 1) with { Network = new PoolNetworkControl { Shares = 200 } }]) is var nics ? nics[Vm(1)] / nics[Vm(2)] : 0, tolerance: 1e-6);
    }

    private static readonly ImmutableArray<DeviceRate> Rates = [DeviceRate.Iops, DeviceRate.DiskBytes, DeviceRate.Out, DeviceRate.In];

    private static Dictionary<EntityId, ImmutableArray<Claim>> Claims(DeviceRate rate, params (int Vm, MachineSpec Spec)[] machines) =>
        machines.ToDictionary(m => Vm(m.Vm), m => rate.DevicesOf(m.Spec).Select(d => rate.ClaimOf(d, done: null)).ToImmutableArray());

    private static MachineSpec Disks(int shares) => new() { Uuid = Number(1), Name = "vm", Cpus = 1, Memory = Bytes.FromMib(64), Disks = [Disk(shares, null)] };

    private static DiskSpec Disk(int shares, int? iops) => new("a", Bytes.FromGib(1)) { Control = new DiskControl { Shares = shares, IopsLimit = iops } };

    private static HostPool Pool(EntityId id, EntityId? parent, int? iops, params int[] machines) =>
        new(id, parent, new CpuControl(), [.. machines.Select(Vm)]) { Disk = new DiskControl { IopsLimit = iops } };

    private static EntityId Vm(int number) => EntityId.Vm(Number(number));

    private static Guid Number(int number) => new(number, 0, 0, new byte[8]);
}
