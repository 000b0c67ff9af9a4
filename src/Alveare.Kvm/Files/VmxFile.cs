using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Alveare.Model.Faults;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Files;

/// <summary>A machine's configuration as the text of its <c>.vmx</c>, and back.</summary>
/// <remarks>Where the file format has a key for something it is used; everything else is under <c>alveare.</c>. Keys that are not
/// ours are kept when a file is written anew.</remarks>
public static partial class VmxFile
{
    private const string Format = "1";

    // On a SCSI bus number 7 is the controller itself.
    private const int ControllerUnit = 7;
    private const int UnitsPerController = 16;

    /// <summary>The text of <paramref name="spec"/>, with the comments and foreign keys of the file it replaces; a fault for a
    /// configuration that <see cref="Read"/> would refuse.</summary>
    public static byte[] Write(MachineSpec spec, VmxText? replaced = null)
    {
        if (MachineSpecRules.Check(spec).FirstOrDefault() is { } flaw)
            throw new FaultException(new InvalidArgument($"Virtual machine '{spec.Name}'", flaw.Where, flaw.Given, flaw.Expected));
        // A CD-ROM drive keeps its place and keys, and no disk is written there.
        var taken = replaced is null ? FrozenSet<string>.Empty : LeftOutDevices.ScsiCdRoms(replaced);
        var places = ScsiUnits().Where(u => !taken.Contains(u)).Take(spec.Disks.Length).ToList();
        var foreign = replaced?.Entries
            .Where(e => !OwnKey().IsMatch(e.Key) || taken.Any(d => $".{e.Key}".Contains($".{d}.", StringComparison.OrdinalIgnoreCase)))
            .Select(e => (e.Key, e.Value)) ?? [];
        var content = VmxText.Write(replaced?.Comments ?? [], Entries(spec, places).Concat(foreign));
        return content.Length <= VmxText.MaxBytes
            ? content
            : throw new FaultException(new InvalidArgument(
                $"Virtual machine '{spec.Name}'", "its configuration", $"{content.Length} bytes long", $"at most {VmxText.MaxBytes}"));
    }

    /// <summary>The configuration in a file's content; the fault <see cref="InvalidMachine"/> says what is wrong and where.</summary>
    /// <param name="file">How the fault names the file.</param>
    public static MachineSpec Read(string file, ReadOnlySpan<byte> content)
    {
        try
        {
            return new VmxReader(VmxText.Parse(content)).Read();
        }
        catch (VmxFormatException e)
        {
            throw new FaultException(new InvalidMachine(file, e.Message), e);
        }
    }

    /// <summary>As much of a file as a rewrite keeps, or null when it cannot be read.</summary>
    public static VmxText? TryParse(ReadOnlySpan<byte> content)
    {
        try
        {
            return VmxText.Parse(content);
        }
        catch (VmxFormatException)
        {
            return null;
        }
    }

    /// <summary>The machine's UUID in a file that cannot be read as a whole, or null.</summary>
    public static Guid? Salvage(ReadOnlySpan<byte> content)
    {
        var text = Encoding.UTF8.GetString(content[..Math.Min(content.Length, VmxText.MaxBytes)]);
        return UuidLine().Match(text) is { Success: true } match ? ParseUuid(match.Groups["uuid"].Value) : null;
    }

    /// <summary>Reads 32 hexadecimal digits with blanks or dashes between them; null for anything else or all zeroes.</summary>
    internal static Guid? ParseUuid(string text)
    {
        var digits = text.Replace(" ", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
        return Guid.TryParseExact(digits, "N", out var uuid) && uuid != Guid.Empty ? uuid : null;
    }

    /// <summary>The places of disks, in the order in which they are given to them: fifteen on the first controller, then those of the next.</summary>
    private static IEnumerable<string> ScsiUnits()
    {
        for (var controller = 0; ; controller++)
        {
            foreach (var unit in Enumerable.Range(0, UnitsPerController).Where(u => u != ControllerUnit))
                yield return string.Create(CultureInfo.InvariantCulture, $"scsi{controller}:{unit}");
        }
    }

    private static IEnumerable<(string Key, string Value)> Entries(MachineSpec spec, IReadOnlyList<string> places)
    {
        yield return (".encoding", "UTF-8");
        yield return (VmxText.FormatKey, Format);
        yield return ("displayName", spec.Name);
        yield return ("uuid.bios", WriteUuid(spec.Uuid));
        yield return ("numvcpus", Number(spec.Cpus));
        yield return ("memSize", Number(spec.Memory.Mib));
        yield return ("firmware", spec.Firmware == Firmware.Uefi ? "efi" : "bios");
        if (spec.CpuModel is not null)
            yield return ("alveare.cpuModel", spec.CpuModel);
        if (spec.IsTemplate)
            yield return ("alveare.template", "TRUE");
        if (spec.CustomizationSeed is not null)
            yield return ("alveare.customizationSeed", spec.CustomizationSeed);
        if (spec.Resources.Cpu.Reservation.Value != 0)
            yield return ("sched.cpu.min", Number(spec.Resources.Cpu.Reservation.Value));
        if (spec.Resources.Cpu.Limit is { } limit)
            yield return ("sched.cpu.max", Number(limit.Value));
        if (spec.Resources.Cpu.Shares is { } shares)
            yield return ("sched.cpu.shares", Number(shares));
        if (spec.Resources.Memory.Reservation.Value != 0)
            yield return ("sched.mem.min", Number(spec.Resources.Memory.Reservation.Mib));
        if (spec.Resources.Memory.Limit is { } memoryLimit)
            yield return ("sched.mem.max", Number(memoryLimit.Mib));
        if (spec.Resources.Memory.Shares is { } memoryShares)
            yield return ("sched.mem.shares", Number(memoryShares));
        for (var i = 0; i < spec.Disks.Length; i++)
        {
            yield return ($"{places[i]}.present", "TRUE");
            yield return ($"{places[i]}.fileName", spec.Disks[i].File);
            yield return ($"alveare.{places[i]}.capacity", Number(spec.Disks[i].Capacity.Value));
            yield return ($"alveare.{places[i]}.format", spec.Disks[i].Format == DiskFormat.Raw ? "raw" : "qcow2");
            if (spec.Disks[i].Control.IopsLimit is { } iops)
                yield return ($"sched.{places[i]}.throughputCap", Number(iops));
            if (spec.Disks[i].Control.BandwidthLimit is { } bandwidth)
                yield return ($"alveare.{places[i]}.bandwidthLimit", Number(bandwidth.Value));
            if (spec.Disks[i].Control.Shares is { } diskShares)
                yield return ($"sched.{places[i]}.shares", Number(diskShares));
        }

        for (var i = 0; i < spec.Nics.Length; i++)
        {
            yield return ($"ethernet{i}.present", "TRUE");
            yield return ($"ethernet{i}.networkName", spec.Nics[i].PortGroup);
            yield return ($"ethernet{i}.addressType", "static");
            yield return ($"ethernet{i}.address", spec.Nics[i].Mac);
            foreach (var entry in Shaping($"alveare.ethernet{i}.out", spec.Nics[i].Control.Out).Concat(Shaping($"alveare.ethernet{i}.in", spec.Nics[i].Control.In)))
                yield return entry;
            if (spec.Nics[i].Control.Shares is { } nicShares)
                yield return ($"alveare.ethernet{i}.shares", Number(nicShares));
        }
    }

    private static IEnumerable<(string Key, string Value)> Shaping(string direction, TrafficShaping? shaping)
    {
        if (shaping is null)
            yield break;
        yield return ($"{direction}Limit", Number(shaping.Average.Value));
        if (shaping.Peak is { } peak)
            yield return ($"{direction}Peak", Number(peak.Value));
        if (shaping.Burst is { } burst)
            yield return ($"{direction}Burst", Number(burst.Value));
    }

    /// <summary>Sixteen bytes with blanks and a dash in the middle, as the file format has them.</summary>
    private static string WriteUuid(Guid uuid)
    {
        var digits = uuid.ToString("N");
        var bytes = Enumerable.Range(0, 16).Select(i => digits.Substring(i * 2, 2)).ToArray();
        return $"{string.Join(' ', bytes[..8])}-{string.Join(' ', bytes[8..])}";
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    [GeneratedRegex(
        """\A(\.encoding|displayName|uuid\.bios|numvcpus|memSize|firmware|sched\.cpu\.(min|max|shares)|sched\.mem\.(min|max|shares)|sched\.scsi\d+:\d+\.(throughputCap|shares)|alveare\.(format|end|cpuModel|template|customizationSeed)|scsi\d+:\d+\.(present|fileName)|alveare\.scsi\d+:\d+\.(capacity|format|bandwidthLimit)|ethernet\d+\.(present|networkName|addressType|address|generatedAddress)|alveare\.ethernet\d+\.((out|in)(Limit|Peak|Burst)|shares))\z""",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex OwnKey();

    [GeneratedRegex("""^\s*uuid\.bios\s*=\s*"(?<uuid>[0-9a-f \-]{32,60})"\s*$""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Multiline)]
    private static partial Regex UuidLine();
}
