using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Files;

/// <summary>Makes a configuration of the entries of one <c>.vmx</c>; what is missing or out of range is named by key and line.</summary>
internal sealed partial class VmxReader(VmxText text)
{
    /// <summary>The key behind each part of the configuration, to name the line of a broken rule.</summary>
    private readonly Dictionary<(SpecPart Part, int Index), string> keys = new()
    {
        [(SpecPart.Name, 0)] = "displayName",
        [(SpecPart.Cpus, 0)] = "numvcpus",
        [(SpecPart.Memory, 0)] = "memSize",
        [(SpecPart.CpuModel, 0)] = "alveare.cpuModel",
        [(SpecPart.CustomizationSeed, 0)] = "alveare.customizationSeed",
        [(SpecPart.CpuReservation, 0)] = "sched.cpu.min",
        [(SpecPart.CpuLimit, 0)] = "sched.cpu.max",
        [(SpecPart.CpuShares, 0)] = "sched.cpu.shares",
        [(SpecPart.MemoryReservation, 0)] = "sched.mem.min",
        [(SpecPart.MemoryLimit, 0)] = "sched.mem.max",
        [(SpecPart.MemoryShares, 0)] = "sched.mem.shares",
    };

    public MachineSpec Read()
    {
        Expect(".encoding", "UTF-8", "utf-8");
        Expect(VmxText.FormatKey, "1, the version this host knows", "1");
        RefuseOtherDisks();
        var spec = new MachineSpec
        {
            Name = Require("displayName").Value,
            Uuid = ReadUuid(),
            Cpus = (int)(text.Find("numvcpus") is { } cpus ? Number(cpus, 1, MachineLimits.MaxCpus) : 1),
            Memory = Bytes.FromMib(Number(Require("memSize"), MachineLimits.MinMemory.Mib, MachineLimits.MaxMemory.Mib)),
            Firmware = ReadFirmware(),
            CpuModel = text.Find("alveare.cpuModel")?.Value,
            IsTemplate = Flag("alveare.template", missing: false),
            CustomizationSeed = text.Find("alveare.customizationSeed")?.Value,
            Disks = ReadDisks(),
            Nics = ReadNics(),
            DevicesLeftOut = [.. LeftOutDevices.In(text)],
        };
        spec = spec with { Resources = ReadResources(spec.Cpus, spec.Memory) };
        if (MachineSpecRules.Check(spec).FirstOrDefault() is { } flaw)
            throw Broken(flaw);
        return spec;
    }

    private ResourceControls ReadResources(int cpus, Bytes size) => new()
    {
        Cpu = new CpuControl
        {
            Reservation = new Megahertz(text.Find("sched.cpu.min") is { } least ? Number(least, 0, MachineLimits.MaxMegahertz) : 0),
            Limit = text.Find("sched.cpu.max") is { Value: not ("-1" or "unlimited") } most ? new Megahertz(Number(most, 1, MachineLimits.MaxMegahertz)) : null,
            Shares = ReadShares("sched.cpu.shares", ShareScale.NormalCpu * cpus),
        },
        Memory = new MemoryControl
        {
            Reservation = Bytes.FromMib(text.Find("sched.mem.min") is { } reserved ? Number(reserved, 0, MachineLimits.MaxMemory.Mib) : 0),
            Limit = text.Find("sched.mem.max") is { Value: not ("-1" or "unlimited") } mostMemory ? Bytes.FromMib(Number(mostMemory, MachineLimits.MinMemoryLimit.Mib, MachineLimits.MaxMemory.Mib)) : null,
            Shares = ReadShares("sched.mem.shares", ShareScale.NormalMemory * size.Mib),
        },
    };

    private int? ReadShares(string key, long normal, int most = ShareScale.Max) => text.Find(key) switch
    {
        null or { Value: "normal" } => null,
        { Value: "low" } => ShareScale.Of(ShareLevel.Low, normal),
        { Value: "high" } => ShareScale.Of(ShareLevel.High, normal),
        { } shares => (int)Number(shares, 1, most),
    };

    private ImmutableArray<DiskSpec> ReadDisks()
    {
        var disks = ImmutableArray.CreateBuilder<DiskSpec>();
        foreach (var disk in Devices(DiskKey()).Where(d => !LeftOutDevices.IsCdRom(text, d)))
        {
            keys[(SpecPart.DiskFile, disks.Count)] = $"{disk}.fileName";
            keys[(SpecPart.DiskCapacity, disks.Count)] = $"alveare.{disk}.capacity";
            keys[(SpecPart.DiskIopsLimit, disks.Count)] = $"sched.{disk}.throughputCap";
            keys[(SpecPart.DiskBandwidthLimit, disks.Count)] = $"alveare.{disk}.bandwidthLimit";
            keys[(SpecPart.DiskShares, disks.Count)] = $"sched.{disk}.shares";
            keys.TryAdd((SpecPart.Disks, 0), $"{disk}.fileName");
            disks.Add(new DiskSpec(
                Require($"{disk}.fileName").Value,
                new Bytes(Number(Require($"alveare.{disk}.capacity"), MachineLimits.MinDisk.Value, MachineLimits.MaxDisk.Value)),
                ReadFormat($"alveare.{disk}.format"))
            { Control = ReadControl(disk) });
        }

        return disks.ToImmutable();
    }

    private DiskControl ReadControl(string disk) => new()
    {
        IopsLimit = text.Find($"sched.{disk}.throughputCap") is { Value: not "off" } most ? (int)Number(most, MachineLimits.MinIops, MachineLimits.MaxIops) : null,
        BandwidthLimit = ReadBandwidth($"alveare.{disk}.bandwidthLimit"),
        Shares = ReadShares($"sched.{disk}.shares", ShareScale.NormalDisk),
    };

    private Bytes? ReadBandwidth(string key) =>
        text.Find(key) is { } entry ? new Bytes(Number(entry, MachineLimits.MinBandwidth.Value, MachineLimits.MaxBandwidth.Value)) : null;

    private ImmutableArray<NicSpec> ReadNics()
    {
        var nics = ImmutableArray.CreateBuilder<NicSpec>();
        foreach (var nic in Devices(NicKey()))
        {
            var address = text.Find($"{nic}.address") ?? text.Find($"{nic}.generatedAddress") ?? Require($"{nic}.address");
            keys[(SpecPart.NicMac, nics.Count)] = address.Key;
            keys[(SpecPart.NicPortGroup, nics.Count)] = $"{nic}.networkName";
            keys[(SpecPart.NicOutPeak, nics.Count)] = $"alveare.{nic}.outPeak";
            keys[(SpecPart.NicInPeak, nics.Count)] = $"alveare.{nic}.inPeak";
            keys.TryAdd((SpecPart.Nics, 0), $"{nic}.networkName");
            nics.Add(new NicSpec(address.Value.ToLowerInvariant(), Require($"{nic}.networkName").Value)
            {
                Control = new NicControl
                {
                    Out = ReadShaping($"alveare.{nic}.out"), In = ReadShaping($"alveare.{nic}.in"), Shares = ReadShares($"alveare.{nic}.shares", ShareScale.NormalNic, ShareScale.MaxNic),
                },
            });
        }

        return nics.ToImmutable();
    }

    private TrafficShaping? ReadShaping(string direction) => ReadBandwidth($"{direction}Limit") is { } average
        ? new TrafficShaping(
            average,
            ReadBandwidth($"{direction}Peak"),
            text.Find($"{direction}Burst") is { } burst ? new Bytes(Number(burst, MachineLimits.MinBurst.Value, MachineLimits.MaxBurst.Value)) : null)
        : null;

    /// <summary>The devices that any key names and that are not declared absent, by number.</summary>
    private IEnumerable<string> Devices(Regex pattern) =>
        text.Entries.Select(e => pattern.Match(e.Key)).Where(m => m.Success)
            .Select(m => (Major: int.Parse(m.Groups["major"].Value, CultureInfo.InvariantCulture),
                Minor: m.Groups["minor"] is { Success: true } minor ? int.Parse(minor.Value, CultureInfo.InvariantCulture) : 0,
                Device: m.Groups["device"].Value.ToLowerInvariant()))
            .Distinct().Order()
            .Select(d => d.Device)
            .Where(d => Flag($"{d}.present", missing: true));

    private DiskFormat ReadFormat(string key) => text.Find(key) switch
    {
        null or { Value: "qcow2" } => DiskFormat.Qcow2,
        { Value: "raw" } => DiskFormat.Raw,
        { } entry => throw Bad(entry, "\"qcow2\" or \"raw\""),
    };

    private Firmware ReadFirmware() => text.Find("firmware") switch
    {
        null or { Value: "bios" } => Firmware.Bios,
        { Value: "efi" } => Firmware.Uefi,
        { } entry => throw Bad(entry, "\"bios\" or \"efi\""),
    };

    private Guid ReadUuid()
    {
        var entry = Require("uuid.bios");
        return VmxFile.ParseUuid(entry.Value) ?? throw Bad(entry, "32 hexadecimal digits that are not all zero");
    }

    /// <summary>A disk on a controller that is not read must not vanish silently from the machine.</summary>
    private void RefuseOtherDisks()
    {
        foreach (var entry in text.Entries)
        {
            if (OtherDiskKey().Match(entry.Key) is not { Success: true } match || !Flag(entry.Key, missing: false))
                continue;
            if (!LeftOutDevices.IsCdRom(text, match.Groups["device"].Value))
                throw Bad(entry, "disks on scsi controllers alone");
        }
    }

    private VmxEntry Require(string key) =>
        text.Find(key) ?? throw new VmxFormatException($"the key '{key}' is missing");

    private void Expect(string key, string expected, string value)
    {
        if (text.Find(key) is { } entry && !entry.Value.Equals(value, StringComparison.OrdinalIgnoreCase))
            throw Bad(entry, expected);
    }

    private bool Flag(string key, bool missing)
    {
        if (text.Find(key) is not { } entry)
            return missing;
        return bool.TryParse(entry.Value, out var flag) ? flag : throw Bad(entry, "TRUE or FALSE");
    }

    private static long Number(VmxEntry entry, long min, long max) =>
        long.TryParse(entry.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw Bad(entry, string.Create(CultureInfo.InvariantCulture, $"a whole number from {min} to {max}"));

    private VmxFormatException Broken(SpecFlaw flaw) =>
        keys.TryGetValue((flaw.Part, flaw.Index), out var key) && text.Find(key) is { } entry
            ? new VmxFormatException($"line {entry.Line}: {flaw.Where} ('{key}') is {flaw.Given}, expected {flaw.Expected}")
            : new VmxFormatException($"{flaw.Where} is {flaw.Given}, expected {flaw.Expected}");

    private static VmxFormatException Bad(VmxEntry entry, string expected) =>
        new($"line {entry.Line}: the key '{entry.Key}' is '{(entry.Value.Length <= 60 ? entry.Value : $"{entry.Value[..57]}...")}', expected {expected}");

    [GeneratedRegex("""\A(?<device>scsi(?<major>\d{1,3}):(?<minor>\d{1,3}))\.(present|fileName)\z""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex DiskKey();

    [GeneratedRegex("""\A(?<device>ethernet(?<major>\d{1,3}))\.(present|networkName|address)\z""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex NicKey();

    [GeneratedRegex("""\A(?<device>(ide|sata|nvme)\d{1,3}:\d{1,3})\.present\z""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex OtherDiskKey();
}
