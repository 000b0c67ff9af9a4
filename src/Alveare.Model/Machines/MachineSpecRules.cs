using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Alveare.Model.Resources;

namespace Alveare.Model.Machines;

/// <summary>The parts of a <see cref="MachineSpec"/> that have a rule.</summary>
public enum SpecPart
{
    Name,
    Cpus,
    Memory,
    CpuModel,
    Disks,
    DiskFile,
    DiskCapacity,
    Nics,
    NicMac,
    NicPortGroup,
    CustomizationSeed,
    CpuReservation,
    CpuLimit,
    CpuShares,
    MemoryReservation,
    MemoryLimit,
    MemoryShares,
    DiskIopsLimit,
    DiskBandwidthLimit,
    DiskShares,
    NicOutLimit,
    NicOutPeak,
    NicOutBurst,
    NicInLimit,
    NicInPeak,
    NicInBurst,
    NicShares,
}

/// <summary>One broken rule of a configuration.</summary>
/// <param name="Index">Which disk or NIC, from 0; 0 for the other parts.</param>
public sealed record SpecFlaw(SpecPart Part, int Index, string Given, string Expected)
{
    /// <summary>The part for people, such as <c>the file of disk 2</c>.</summary>
    public string Where => Part switch
    {
        SpecPart.Name => "the name",
        SpecPart.Cpus => "the number of CPUs",
        SpecPart.Memory => "the memory",
        SpecPart.CpuModel => "the CPU model",
        SpecPart.Disks => "the number of disks",
        SpecPart.DiskFile => $"the file of disk {Index + 1}",
        SpecPart.DiskCapacity => $"the capacity of disk {Index + 1}",
        SpecPart.Nics => "the number of network cards",
        SpecPart.NicMac => $"the MAC address of network card {Index + 1}",
        SpecPart.NicPortGroup => $"the port group of network card {Index + 1}",
        SpecPart.CpuReservation => "the CPU reservation",
        SpecPart.CpuLimit => "the CPU limit",
        SpecPart.CpuShares => "the CPU shares",
        SpecPart.MemoryReservation => "the memory reservation",
        SpecPart.MemoryLimit => "the memory limit",
        SpecPart.MemoryShares => "the memory shares",
        SpecPart.DiskIopsLimit => $"the IOPS limit of disk {Index + 1}",
        SpecPart.DiskBandwidthLimit => $"the bandwidth limit of disk {Index + 1}",
        SpecPart.DiskShares => $"the shares of disk {Index + 1}",
        SpecPart.NicOutLimit => $"the limit of what network card {Index + 1} sends",
        SpecPart.NicOutPeak => $"the peak of what network card {Index + 1} sends",
        SpecPart.NicOutBurst => $"the burst of what network card {Index + 1} sends",
        SpecPart.NicInLimit => $"the limit of what network card {Index + 1} is sent",
        SpecPart.NicInPeak => $"the peak of what network card {Index + 1} is sent",
        SpecPart.NicInBurst => $"the burst of what network card {Index + 1} is sent",
        SpecPart.NicShares => $"the shares of network card {Index + 1}",
        _ => "the customization seed",
    };
}

/// <summary>What a machine's configuration must keep to, whether it comes from a <c>.vmx</c>, an API or another host.</summary>
public static partial class MachineSpecRules
{
    /// <summary>The broken rules in the order of the configuration; none for a configuration that can be written and started.</summary>
    public static IEnumerable<SpecFlaw> Check(MachineSpec spec)
    {
        if (WhyIllegalName(spec.Name) is { } name)
            yield return new SpecFlaw(SpecPart.Name, 0, Show(spec.Name), name);
        if (spec.Cpus is < 1 or > MachineLimits.MaxCpus)
            yield return new SpecFlaw(SpecPart.Cpus, 0, Invariant($"{spec.Cpus}"), Invariant($"1 to {MachineLimits.MaxCpus}"));
        if (spec.Memory < MachineLimits.MinMemory || spec.Memory > MachineLimits.MaxMemory || spec.Memory.Value % Mib != 0)
        {
            yield return new SpecFlaw(
                SpecPart.Memory, 0, spec.Memory.Exactly,
                $"whole MiB from {MachineLimits.MinMemory} to {MachineLimits.MaxMemory}");
        }

        if (spec.CpuModel is { } model && !CpuModelText().IsMatch(model))
            yield return new SpecFlaw(SpecPart.CpuModel, 0, Show(model), "1 to 200 of letters, digits and , . _ + = -");
        foreach (var flaw in CheckDisks(spec).Concat(CheckNics(spec)).Concat(CheckResources(spec)))
            yield return flaw;
        if (spec.CustomizationSeed is { } seed && WhyIllegalFile(seed, spec.Disks.Select(d => d.File)) is { } reason)
            yield return new SpecFlaw(SpecPart.CustomizationSeed, 0, Show(seed), reason);
    }

    /// <summary>What a name of a machine or of anything beside it must be, or null when it is; for a fault's "expected".</summary>
    public static string? WhyIllegalName(string name)
    {
        if (name.Length is 0 or > MachineLimits.MaxNameLength)
            return $"1 to {MachineLimits.MaxNameLength} characters";
        if (!IsText(name) || name.AsSpan().IndexOfAny('/', '\\') >= 0)
            return "no slashes, backslashes or control characters";
        return name.Trim() == name ? null : "no white space at either end";
    }

    private const long Mib = 1024 * 1024;

    private static IEnumerable<SpecFlaw> CheckResources(MachineSpec spec)
    {
        var (cpu, memory) = (spec.Resources.Cpu, spec.Resources.Memory);
        if (cpu.Reservation.Value is < 0 or > MachineLimits.MaxMegahertz)
            yield return new SpecFlaw(SpecPart.CpuReservation, 0, $"{cpu.Reservation}", Invariant($"0 to {MachineLimits.MaxMegahertz} MHz"));
        if (cpu.Limit is { } limit && (limit.Value is < 1 or > MachineLimits.MaxMegahertz || limit < cpu.Reservation))
            yield return new SpecFlaw(SpecPart.CpuLimit, 0, $"{limit}", Invariant($"none, or 1 to {MachineLimits.MaxMegahertz} MHz and not below the reservation of {cpu.Reservation}"));
        if (cpu.Shares is < 1 or > ShareScale.Max)
            yield return new SpecFlaw(SpecPart.CpuShares, 0, Invariant($"{cpu.Shares}"), Invariant($"1 to {ShareScale.Max}"));
        if (memory.Reservation < Bytes.Zero || memory.Reservation > spec.Memory || memory.Reservation.Value % Mib != 0)
            yield return new SpecFlaw(SpecPart.MemoryReservation, 0, memory.Reservation.Exactly, $"whole MiB from 0 to the machine's {spec.Memory}");
        if (memory.Limit is { } memoryLimit && (memoryLimit < MachineLimits.MinMemoryLimit || memoryLimit > MachineLimits.MaxMemory || memoryLimit < memory.Reservation || memoryLimit.Value % Mib != 0))
        {
            yield return new SpecFlaw(
                SpecPart.MemoryLimit, 0, memoryLimit.Exactly,
                $"none, or whole MiB from {MachineLimits.MinMemoryLimit} (what QEMU itself needs) to {MachineLimits.MaxMemory} and not below the reservation of {memory.Reservation}");
        }

        if (memory.Shares is < 1 or > ShareScale.Max)
            yield return new SpecFlaw(SpecPart.MemoryShares, 0, Invariant($"{memory.Shares}"), Invariant($"1 to {ShareScale.Max}"));
    }

    private static IEnumerable<SpecFlaw> CheckDisks(MachineSpec spec)
    {
        if (spec.Disks.Length > MachineLimits.MaxDisks)
            yield return new SpecFlaw(SpecPart.Disks, 0, Invariant($"{spec.Disks.Length}"), Invariant($"at most {MachineLimits.MaxDisks}"));
        for (var i = 0; i < spec.Disks.Length; i++)
        {
            var disk = spec.Disks[i];
            if (WhyIllegalFile(disk.File, spec.Disks.Take(i).Select(d => d.File)) is { } reason)
                yield return new SpecFlaw(SpecPart.DiskFile, i, Show(disk.File), reason);
            if (disk.Capacity < MachineLimits.MinDisk || disk.Capacity > MachineLimits.MaxDisk || disk.Capacity.Value % 512 != 0)
            {
                yield return new SpecFlaw(
                    SpecPart.DiskCapacity, i, disk.Capacity.Exactly,
                    $"whole sectors of 512 bytes from {MachineLimits.MinDisk} to {MachineLimits.MaxDisk}");
            }

            foreach (var flaw in CheckControl(i, disk.Control))
                yield return flaw;
        }
    }

    private static IEnumerable<SpecFlaw> CheckControl(int disk, DiskControl control)
    {
        if (control.IopsLimit is < MachineLimits.MinIops or > MachineLimits.MaxIops)
            yield return new SpecFlaw(SpecPart.DiskIopsLimit, disk, Invariant($"{control.IopsLimit}"), Invariant($"none, or {MachineLimits.MinIops} to {MachineLimits.MaxIops} a second"));
        if (control.BandwidthLimit is { } limit && WhyNoBandwidth(limit) is { } reason)
            yield return new SpecFlaw(SpecPart.DiskBandwidthLimit, disk, $"{limit.Exactly}/s", $"none, or {reason}");
        if (control.Shares is < 1 or > ShareScale.Max)
            yield return new SpecFlaw(SpecPart.DiskShares, disk, Invariant($"{control.Shares}"), Invariant($"1 to {ShareScale.Max}"));
    }

    private static string? WhyNoBandwidth(Bytes limit) => limit < MachineLimits.MinBandwidth || limit > MachineLimits.MaxBandwidth
        ? $"{MachineLimits.MinBandwidth}/s to {MachineLimits.MaxBandwidth}/s"
        : null;

    private static IEnumerable<SpecFlaw> CheckNics(MachineSpec spec)
    {
        if (spec.Nics.Length > MachineLimits.MaxNics)
            yield return new SpecFlaw(SpecPart.Nics, 0, Invariant($"{spec.Nics.Length}"), Invariant($"at most {MachineLimits.MaxNics}"));
        for (var i = 0; i < spec.Nics.Length; i++)
        {
            if (!UnicastMac().IsMatch(spec.Nics[i].Mac))
                yield return new SpecFlaw(SpecPart.NicMac, i, Show(spec.Nics[i].Mac), "a unicast address like 52:54:00:12:34:56");
            if (WhyIllegalName(spec.Nics[i].PortGroup) is { } reason)
                yield return new SpecFlaw(SpecPart.NicPortGroup, i, Show(spec.Nics[i].PortGroup), reason);
            var control = spec.Nics[i].Control;
            foreach (var flaw in CheckShaping(i, control.Out, SpecPart.NicOutLimit).Concat(CheckShaping(i, control.In, SpecPart.NicInLimit)))
                yield return flaw;
            if (control.Shares is < 1 or > ShareScale.MaxNic)
                yield return new SpecFlaw(SpecPart.NicShares, i, Invariant($"{control.Shares}"), Invariant($"1 to {ShareScale.MaxNic}"));
        }
    }

    /// <param name="first">The part that the average is; its peak and burst follow.</param>
    private static IEnumerable<SpecFlaw> CheckShaping(int nic, TrafficShaping? shaping, SpecPart first)
    {
        if (shaping is null)
            yield break;
        if (WhyNoBandwidth(shaping.Average) is { } reason)
            yield return new SpecFlaw(first, nic, $"{shaping.Average.Exactly}/s", $"none, or {reason}");
        if (shaping.Peak is { } peak && (peak < shaping.Average || WhyNoBandwidth(peak) is not null))
            yield return new SpecFlaw(first + 1, nic, $"{peak.Exactly}/s", $"none, or the limit of {shaping.Average.Exactly}/s to {MachineLimits.MaxBandwidth}/s");
        if (shaping.Burst is { } burst && (burst < MachineLimits.MinBurst || burst > MachineLimits.MaxBurst))
            yield return new SpecFlaw(first + 2, nic, burst.Exactly, $"none, or {MachineLimits.MinBurst} to {MachineLimits.MaxBurst}");
    }

    // The machine's own files stay out of the guest's hands: names of configuration, locks, firmware variables and hidden files.
    private static string? WhyIllegalFile(string file, IEnumerable<string> taken)
    {
        if (file.Length == 0 || Encoding.UTF8.GetByteCount(file) > 240)
            return "a file name of 1 to 240 bytes";
        if (!IsText(file) || file.AsSpan().IndexOfAny('/', '\\') >= 0 || file[0] == '.')
            return "the name of a file in the machine's directory: no slashes, backslashes or control characters, no '.' in front";
        if (file.EndsWith(".vmx", StringComparison.OrdinalIgnoreCase) || file.EndsWith(".nvram", StringComparison.OrdinalIgnoreCase)
            || file.Contains(".lock.", StringComparison.OrdinalIgnoreCase))
        {
            return "another name: this one belongs to the machine's configuration, firmware or lock";
        }

        return taken.Contains(file) ? "another name: a disk of the machine has this one" : null;
    }

    /// <summary>No control characters and no half of a surrogate pair: it can be written as UTF-8 and read again.</summary>
    private static bool IsText(string text)
    {
        for (var rest = text.AsSpan(); !rest.IsEmpty;)
        {
            if (Rune.DecodeFromUtf16(rest, out var rune, out var length) != OperationStatus.Done || Rune.IsControl(rune))
                return false;
            rest = rest[length..];
        }

        return true;
    }

    private static string Show(string text) => text.Length <= 60 ? $"'{text}'" : $"'{text[..57]}...'";

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex("""\A[A-Za-z0-9,._+=-]{1,200}\z""")]
    private static partial Regex CpuModelText();

    [GeneratedRegex("""\A[0-9a-f][02468ace](:[0-9a-f]{2}){5}\z""")]
    private static partial Regex UnicastMac();
}
