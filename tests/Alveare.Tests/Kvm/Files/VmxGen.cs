using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using CsCheck;

namespace Alveare.Tests.Kvm.Files;

/// <summary>Random legal configurations, with hostile characters in every text.</summary>
internal static class VmxGen
{
    private static readonly Gen<string> Text =
        Gen.Char["abcXYZ019 .,:;=|\"'#$%&<>{}[]()~`éßЖ中\u0085"].Array[1, 20].Select(c => new string(c))
            .Where(t => MachineSpecRules.WhyIllegalName(t) is null);

    private static readonly Gen<string> File = Text.Select(t => t.TrimStart('.')).Where(t => t.Length > 0);

    private static readonly Gen<DiskControl> Control = Gen.Select(
        Gen.Int[MachineLimits.MinIops, MachineLimits.MaxIops].Nullable(), Gen.Long[MachineLimits.MinBandwidth.Value, MachineLimits.MaxBandwidth.Value].Nullable(),
        Gen.Int[1, ShareScale.Max].Nullable(),
        (iops, bandwidth, shares) => new DiskControl { IopsLimit = iops, BandwidthLimit = bandwidth is { } most ? new Bytes(most) : null, Shares = shares });

    private static readonly Gen<DiskSpec> Disk = Gen.Select(
        File, Gen.Long[MachineLimits.MinDisk.Value / 512, MachineLimits.MaxDisk.Value / 512], Gen.Bool, Control,
        (file, sectors, raw, control) => new DiskSpec(file, new Bytes(sectors * 512), raw ? DiskFormat.Raw : DiskFormat.Qcow2) { Control = control });

    private static readonly Gen<TrafficShaping?> Shaping = Gen.Select(
        Gen.Long[MachineLimits.MinBandwidth.Value, 1 << 30], Gen.Long[1 << 30, MachineLimits.MaxBandwidth.Value].Nullable(),
        Gen.Long[MachineLimits.MinBurst.Value, MachineLimits.MaxBurst.Value].Nullable(), Gen.Bool,
        (average, peak, burst, isLimited) => isLimited
            ? new TrafficShaping(new Bytes(average), peak is { } most ? new Bytes(most) : null, burst is { } size ? new Bytes(size) : null)
            : null);

    private static readonly Gen<NicSpec> Nic = Gen.Select(
        Gen.Int[0, 0xffffff], Text, Shaping, Shaping, Gen.Int[1, ShareScale.MaxNic].Nullable(),
        (mac, network, sent, received, shares) => new NicSpec($"52:54:00:{mac >> 16:x2}:{(mac >> 8) & 0xff:x2}:{mac & 0xff:x2}", network)
        {
            Control = new NicControl { Out = sent, In = received, Shares = shares },
        });

    private static readonly Gen<ResourceControls> Resources = Gen.Select(
        Gen.Long[0, 5000], Gen.Long[5000, MachineLimits.MaxMegahertz].Nullable(), Gen.Int[1, ShareScale.Max].Nullable(), Gen.Long[0, MachineLimits.MinMemory.Mib],
        Gen.Long[MachineLimits.MinMemoryLimit.Mib, MachineLimits.MaxMemory.Mib].Nullable(), Gen.Int[1, ShareScale.Max].Nullable(),
        (reservation, limit, shares, memory, memoryLimit, memoryShares) => new ResourceControls
        {
            Cpu = new CpuControl { Reservation = new(reservation), Limit = limit is { } most ? new Megahertz(most) : null, Shares = shares },
            Memory = new MemoryControl { Reservation = Bytes.FromMib(memory), Limit = memoryLimit is { } mib ? Bytes.FromMib(mib) : null, Shares = memoryShares },
        });

    public static readonly Gen<MachineSpec> Spec = Gen.Select(
        Gen.Select(Text, Gen.Guid.Where(g => g != Guid.Empty), Gen.Int[1, MachineLimits.MaxCpus]),
        Gen.Select(Gen.Long[MachineLimits.MinMemory.Mib, MachineLimits.MaxMemory.Mib], Gen.Bool, Gen.Bool, Gen.Bool),
        Disk.Array[0, MachineLimits.MaxDisks],
        Nic.Array[0, MachineLimits.MaxNics],
        Resources,
        (who, size, disks, nics, resources) => new MachineSpec
        {
            Name = who.Item1,
            Uuid = who.Item2,
            Cpus = who.Item3,
            Memory = Bytes.FromMib(size.Item1),
            Firmware = size.Item2 ? Firmware.Uefi : Firmware.Bios,
            IsTemplate = size.Item3,
            CpuModel = size.Item4 ? "qemu64,+ssse3,vendor=x" : null,
            CustomizationSeed = size.Item2 ? "a|\"seed\".img" : null,
            Disks = [.. disks.DistinctBy(d => d.File)],
            Nics = [.. nics],
            Resources = resources,
        });
}
