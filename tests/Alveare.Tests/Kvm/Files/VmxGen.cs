using Alveare.Model;
using Alveare.Model.Machines;
using CsCheck;

namespace Alveare.Tests.Kvm.Files;

/// <summary>Random legal configurations, with hostile characters in every text.</summary>
internal static class VmxGen
{
    private static readonly Gen<string> Text =
        Gen.Char["abcXYZ019 .,:;=|\"'#$%&<>{}[]()~`éßЖ中\u0085"].Array[1, 20].Select(c => new string(c))
            .Where(t => MachineSpecRules.WhyIllegalName(t) is null);

    private static readonly Gen<string> File = Text.Select(t => t.TrimStart('.')).Where(t => t.Length > 0);

    private static readonly Gen<DiskSpec> Disk = Gen.Select(
        File, Gen.Long[MachineLimits.MinDisk.Value / 512, MachineLimits.MaxDisk.Value / 512], Gen.Bool,
        (file, sectors, raw) => new DiskSpec(file, new Bytes(sectors * 512), raw ? DiskFormat.Raw : DiskFormat.Qcow2));

    private static readonly Gen<NicSpec> Nic = Gen.Select(
        Gen.Int[0, 0xffffff], Text, (mac, network) => new NicSpec($"52:54:00:{mac >> 16:x2}:{(mac >> 8) & 0xff:x2}:{mac & 0xff:x2}", network));

    public static readonly Gen<MachineSpec> Spec = Gen.Select(
        Gen.Select(Text, Gen.Guid.Where(g => g != Guid.Empty), Gen.Int[1, MachineLimits.MaxCpus]),
        Gen.Select(Gen.Long[MachineLimits.MinMemory.Mib, MachineLimits.MaxMemory.Mib], Gen.Bool, Gen.Bool, Gen.Bool),
        Disk.Array[0, MachineLimits.MaxDisks],
        Nic.Array[0, MachineLimits.MaxNics],
        (who, size, disks, nics) => new MachineSpec
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
        });
}
