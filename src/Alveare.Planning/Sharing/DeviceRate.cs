using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Model.Statistics;

namespace Alveare.Planning.Sharing;

/// <summary>A disk or network card as one of those that share: what it weighs, and what it is held to itself; null for nothing.</summary>
public readonly record struct RatedDevice(double Shares, double? Limit);

/// <summary>Something that disks or network cards do so much of in a second, and that a resource pool may be held to.</summary>
public sealed class DeviceRate
{
    // Who does so much of what it is held to may want any amount; who does less wants a quarter more.
    private const double NearLimit = 0.85;
    private const double More = 1.25;

    private readonly Func<HostPool, RatedDevice> _ofPool;
    private readonly Func<MachineSpec, IEnumerable<RatedDevice>> _devices;
    private readonly Func<MachineSample, double> _done;
    private readonly double _rest;

    private DeviceRate(Func<HostPool, RatedDevice> ofPool, Func<MachineSpec, IEnumerable<RatedDevice>> devices, Func<MachineSample, double> done, double rest) =>
        (_ofPool, _devices, _done, _rest) = (ofPool, devices, done, rest);

    /// <summary>Reads and writes of disks, both counted together.</summary>
    public static DeviceRate Iops { get; } = new(
        p => OfPoolDisk(p, p.Disk.IopsLimit),
        m => m.Disks.Select(d => OfDisk(d, d.Control.IopsLimit)),
        s => s.DiskReadsPerSecond + s.DiskWritesPerSecond,
        rest: MachineLimits.MinIops);

    /// <summary>Bytes that disks read and write.</summary>
    public static DeviceRate DiskBytes { get; } = new(
        p => OfPoolDisk(p, p.Disk.BandwidthLimit?.Value),
        m => m.Disks.Select(d => OfDisk(d, d.Control.BandwidthLimit?.Value)),
        s => s.DiskReadBytesPerSecond + s.DiskWriteBytesPerSecond,
        rest: 16 * MachineLimits.MinBandwidth.Value);

    /// <summary>Bytes that network cards send.</summary>
    public static DeviceRate Out { get; } = new(
        p => OfPoolNic(p, p.Network.OutLimit),
        m => m.Nics.Select(n => OfNic(n, n.Control.Out)),
        s => s.NetworkSentBytesPerSecond,
        rest: MachineLimits.MinBandwidth.Value);

    /// <summary>Bytes that network cards are sent.</summary>
    public static DeviceRate In { get; } = new(
        p => OfPoolNic(p, p.Network.InLimit),
        m => m.Nics.Select(n => OfNic(n, n.Control.In)),
        s => s.NetworkReceivedBytesPerSecond,
        rest: MachineLimits.MinBandwidth.Value);

    /// <summary>Whether any of these pools is held to so much of it.</summary>
    public bool IsLimited(IEnumerable<HostPool> pools) => pools.Any(p => _ofPool(p).Limit is not null);

    /// <summary>The machines in pools, at whatever depth, that are held to so much of it: what their devices do counts.</summary>
    public IEnumerable<EntityId> MachinesHeldBy(IReadOnlyCollection<HostPool> pools) => PoolTree.HeldByPools(
        PoolTree.Of(pools.SelectMany(p => p.Machines).Distinct().ToDictionary(m => m, _ => default(Claim)), pools, p => Plain(_ofPool(p))));

    /// <summary>The machine's devices, in order.</summary>
    public ImmutableArray<RatedDevice> DevicesOf(MachineSpec machine) => [.. _devices(machine)];

    /// <summary>What a device claims.</summary>
    /// <param name="done">What it did a second, lately; null where that is not known.</param>
    /// <param name="held">What it was held to meanwhile; infinite for nothing.</param>
    public Claim ClaimOf(RatedDevice device, double? done, double held = double.PositiveInfinity) => Plain(device) with
    {
        Demand = done is not { } did || did >= held * NearLimit ? double.PositiveInfinity : (did * More) + _rest,
    };

    /// <summary>What a machine's devices claim as one.</summary>
    /// <param name="sample">Null where nothing is known of it yet.</param>
    public Claim ClaimOf(MachineSpec machine, MachineSample? sample)
    {
        var together = Together([.. _devices(machine).Select(Plain)]);
        return ClaimOf(new RatedDevice(together.Shares, together.Limit), sample is null ? null : _done(sample));
    }

    /// <summary>The most of each machine and pool, so that every pool stays within its limit: by shares within what each wants, and what nobody wants goes to
    /// all. Infinite for what has no limit and is in no pool that has one.</summary>
    /// <param name="machines">Those that have such devices.</param>
    public ImmutableDictionary<EntityId, double> Divide(IReadOnlyDictionary<EntityId, Claim> machines, IReadOnlyCollection<HostPool> pools) =>
        PoolDivision.DivideAll(double.PositiveInfinity, PoolTree.Of(machines, pools, p => Plain(_ofPool(p))));

    /// <summary>The most of each device: what a machine gets goes to its devices as what a pool gets goes to its machines.</summary>
    /// <param name="devices">Of each machine, in order; none of one that has none.</param>
    public ImmutableDictionary<EntityId, ImmutableArray<double>> DivideAmongDevices(
        IReadOnlyDictionary<EntityId, ImmutableArray<Claim>> devices, IReadOnlyCollection<HostPool> pools)
    {
        var parts = Divide(devices.Where(d => !d.Value.IsEmpty).ToDictionary(d => d.Key, d => Together(d.Value)), pools);
        return devices.ToImmutableDictionary(d => d.Key, d => d.Value.IsEmpty ? [] : FairDivision.DivideAll(parts[d.Key], d.Value));
    }

    private static Claim Together(ImmutableArray<Claim> devices) => new(0, devices.Sum(d => d.Shares))
    {
        Limit = devices.Sum(d => d.Limit),
        Demand = devices.Sum(d => d.Wanted),
    };

    private static Claim Plain(RatedDevice device) => new(0, device.Shares) { Limit = device.Limit ?? double.PositiveInfinity };

    private static RatedDevice OfPoolDisk(HostPool pool, double? limit) => new(pool.Disk.Shares ?? ShareScale.NormalPoolDisk, limit);

    private static RatedDevice OfPoolNic(HostPool pool, Bytes? limit) => new(pool.Network.Shares ?? ShareScale.NormalPoolNic, limit?.Value);

    private static RatedDevice OfDisk(DiskSpec disk, double? limit) => new(disk.Control.Shares ?? ShareScale.NormalDisk, limit);

    private static RatedDevice OfNic(NicSpec nic, TrafficShaping? shaping) => new(nic.Control.Shares ?? ShareScale.NormalNic, shaping?.Average.Value);
}

/// <summary>What the devices of one machine did a second, lately; each in order.</summary>
/// <param name="Iops">Of disks.</param>
/// <param name="DiskBytes">Of disks.</param>
/// <param name="Out">Of network cards.</param>
/// <param name="In">Of network cards.</param>
public sealed record DeviceWork(ImmutableArray<double> Iops, ImmutableArray<double> DiskBytes, ImmutableArray<double> Out, ImmutableArray<double> In)
{
    public ImmutableArray<double> Of(DeviceRate rate) =>
        rate == DeviceRate.Iops ? Iops : rate == DeviceRate.DiskBytes ? DiskBytes : rate == DeviceRate.Out ? Out : In;
}
