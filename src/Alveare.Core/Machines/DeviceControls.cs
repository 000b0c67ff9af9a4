using System.Collections.Immutable;
using System.Globalization;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Resources;

namespace Alveare.Core.Machines;

/// <summary>What a machine's disks and network cards are held to once an operation has changed it.</summary>
internal static class DeviceControls
{
    public static ImmutableArray<DiskSpec> Disks(SetResources operation, string machine, ImmutableArray<DiskSpec> disks)
    {
        if (operation is { Disk: null, IopsLimit: null, DiskBandwidthLimit: null, DiskShares: null })
            return disks;
        RequireDevice(machine, "disk", operation.Disk, disks.Length);
        return [.. disks.Select((disk, i) => operation.Disk is { } only && only != i + 1 ? disk : disk with
        {
            Control = new DiskControl
            {
                IopsLimit = Optional.Changed(disk.Control.IopsLimit, operation.IopsLimit),
                BandwidthLimit = Optional.Changed(disk.Control.BandwidthLimit, operation.DiskBandwidthLimit),
                Shares = Optional.Changed(disk.Control.Shares, operation.DiskShares),
            },
        })];
    }

    public static ImmutableArray<NicSpec> Nics(SetResources operation, string machine, ImmutableArray<NicSpec> nics)
    {
        if (operation is { Nic: null, OutLimit: null, OutPeak: null, OutBurst: null, InLimit: null, InPeak: null, InBurst: null, NicShares: null })
            return nics;
        RequireDevice(machine, "network card", operation.Nic, nics.Length);
        return [.. nics.Select((nic, i) => operation.Nic is { } only && only != i + 1 ? nic : nic with
        {
            Control = new NicControl
            {
                Out = Shaping(nic.Control.Out, operation.OutLimit, operation.OutPeak, operation.OutBurst) ?? Unlimited(machine, i, "sends", operation.OutPeak, operation.OutBurst),
                In = Shaping(nic.Control.In, operation.InLimit, operation.InPeak, operation.InBurst) ?? Unlimited(machine, i, "is sent", operation.InPeak, operation.InBurst),
                Shares = Optional.Changed(nic.Control.Shares, operation.NicShares),
            },
        })];
    }

    private static TrafficShaping? Shaping(TrafficShaping? now, Bytes? average, Bytes? peak, Bytes? burst) =>
        Optional.Changed(now?.Average, average) is { } most
            ? new TrafficShaping(most, Optional.Changed(now?.Peak, peak), Optional.Changed(now?.Burst, burst))
            : null;

    /// <summary>No limit; a peak or burst of none is a mistake.</summary>
    private static TrafficShaping? Unlimited(string machine, int nic, string does, Bytes? peak, Bytes? burst) =>
        (peak ?? Bytes.Zero) == Bytes.Zero && (burst ?? Bytes.Zero) == Bytes.Zero
            ? null
            : throw new FaultException(new InvalidArgument(
                $"Virtual machine '{machine}'", Invariant($"the limit of what network card {nic + 1} {does}"), "none", "a limit, to which a peak or burst belongs"));

    /// <summary>Devices are counted from 1, and a control of none is a mistake.</summary>
    private static void RequireDevice(string machine, string kind, int? number, int count)
    {
        if (number is { } one ? one < 1 || one > count : count == 0)
        {
            throw new FaultException(new InvalidArgument(
                $"Virtual machine '{machine}'", $"the number of the {kind}", number is null ? "none" : Invariant($"{number}"),
                count == 0 ? $"a machine that has a {kind}" : Invariant($"1 to {count}")));
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
