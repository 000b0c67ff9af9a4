using System.Text.RegularExpressions;

namespace Alveare.Kvm.Files;

/// <summary>The devices that a <c>.vmx</c> names and machines here do not have: whatever it declares present that is neither a disk, nor a
/// network card, nor a part of every machine.</summary>
internal static partial class LeftOutDevices
{
    private const string Present = ".present";

    /// <summary>Each of them in words, such as <c>CD-ROM ide1:0</c>, in the order of the text.</summary>
    public static IEnumerable<string> In(VmxText text) => text.Entries
        .Where(e => e.Key.EndsWith(Present, StringComparison.OrdinalIgnoreCase) && bool.TryParse(e.Value, out var isPresent) && isPresent)
        .Select(e => e.Key[..^Present.Length])
        .Select(device => Kind(text, device) is { } kind ? $"{kind} {device}" : null)
        .OfType<string>();

    /// <summary>A drive on a bus that could hold a disk in its place.</summary>
    /// <param name="device">Such as <c>scsi0:5</c>.</param>
    public static bool IsCdRom(VmxText text, string device) =>
        text.Find($"{device}.deviceType")?.Value.Contains("cdrom", StringComparison.OrdinalIgnoreCase) ?? false;

    /// <summary>The places on SCSI buses of drives, such as <c>scsi0:5</c>, whether they are declared present or not.</summary>
    public static IReadOnlySet<string> ScsiCdRoms(VmxText text) => text.Entries
        .Select(e => ScsiType().Match(e.Key)).Where(m => m.Success).Select(m => m.Groups["device"].Value)
        .Where(d => IsCdRom(text, d)).ToHashSet(StringComparer.OrdinalIgnoreCase);

    /// <summary>What a device is that is left out, or null for one that is not.</summary>
    private static string? Kind(VmxText text, string device)
    {
        var name = DeviceName().Match(device);
        var isUnit = name.Groups["unit"].Success;
        return name.Groups["family"].Value.ToLowerInvariant() switch
        {
            "scsi" or "ide" or "sata" or "nvme" when isUnit => IsCdRom(text, device) ? "CD-ROM" : null,
            "ide" => "IDE controller",
            "sata" => "SATA controller",
            "nvme" => "NVMe controller",
            "floppy" => "floppy drive",
            "pcipassthru" => "passed-through PCI device",
            "usb" or "ehci" or "usb_xhci" => isUnit ? "USB device" : "USB controller",
            "sound" => "sound card",
            "parallel" => "parallel port",
            "serial" => "serial port",
            "vtpm" => "TPM",
            // A screen, a chipset and SCSI every machine has; VMCI leads to VMware's hypervisor alone.
            "ethernet" or "scsi" or "svga" or "pcibridge" or "hpet" or "vmci" => null,
            _ => "device",
        };
    }

    [GeneratedRegex("""\A(?<device>scsi\d+:\d+)\.deviceType\z""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex ScsiType();

    [GeneratedRegex("""\A(?<family>[a-z_]+)\d*(?<unit>:\d+)?\z""", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex DeviceName();
}
