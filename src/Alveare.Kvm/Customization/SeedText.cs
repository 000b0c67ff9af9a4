using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Alveare.Model.Faults;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Customization;

/// <summary>What a guest is told at its first boot, as the three files of cloud-init's NoCloud data source.</summary>
/// <remarks>A pure function. Every value is written as a double-quoted scalar, so that no value can become structure.</remarks>
public sealed partial record SeedText(string MetaData, string UserData, string NetworkConfig)
{
    private const int MaxLength = 256 * 1024;

    /// <summary>The files for <paramref name="customization"/>; a fault names the value that cannot be given to a guest.</summary>
    public static SeedText Write(MachineSpec spec, GuestCustomization customization)
    {
        Check(spec, customization);
        return new SeedText(MetaDataOf(spec, customization), UserDataOf(customization), NetworkConfigOf(spec, customization));
    }

    /// <summary>A YAML scalar that reads as exactly this text.</summary>
    internal static string Quote(string value)
    {
        var text = new StringBuilder("\"", value.Length + 8);
        foreach (var c in value)
        {
            if (c is '"' or '\\')
                text.Append('\\').Append(c);
            else if (IsUnprintable(c))
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                text.Append(c);
        }

        return text.Append('"').ToString();
    }

    // YAML 1.2, production 1: everything that is not printable there, and its line breaks beyond ASCII.
    private static bool IsUnprintable(char c) =>
        char.IsControl(c) || c is '\u2028' or '\u2029' or '\ufeff' or '\ufffe' or '\uffff';

    private static string MetaDataOf(MachineSpec spec, GuestCustomization customization)
    {
        var text = $"instance-id: {Quote(spec.Uuid.ToString("D"))}\n";
        return customization.HostName is { } name ? $"{text}local-hostname: {Quote(name)}\n" : text;
    }

    private static string UserDataOf(GuestCustomization customization)
    {
        var text = new StringBuilder("#cloud-config\n");
        if (customization.HostName is { } name)
            text.Append("preserve_hostname: false\n").Append(CultureInfo.InvariantCulture, $"hostname: {Quote(name)}\n");
        AddList(text, "ssh_authorized_keys", customization.SshKeys);
        AddList(text, "runcmd", customization.Commands);
        return text.ToString();
    }

    private static void AddList(StringBuilder text, string key, IReadOnlyCollection<string> values)
    {
        if (values.Count == 0)
            return;
        text.Append(key).Append(":\n");
        foreach (var value in values)
            text.Append("  - ").Append(Quote(value)).Append('\n');
    }

    private static string NetworkConfigOf(MachineSpec spec, GuestCustomization customization)
    {
        var text = new StringBuilder("version: 2\n");
        if (spec.Nics.IsEmpty)
            return text.ToString();
        text.Append("ethernets:\n  nic0:\n    match:\n      macaddress: ").Append(Quote(spec.Nics[0].Mac)).Append('\n');
        if (customization.Address is not { } address)
            return text.Append("    dhcp4: true\n").ToString();
        text.Append("    addresses:\n      - ").Append(Quote(address)).Append('\n');
        if (customization.Gateway is { } gateway)
            text.Append("    routes:\n      - to: \"0.0.0.0/0\"\n        via: ").Append(Quote(gateway)).Append('\n');
        return text.ToString();
    }

    private static void Check(MachineSpec spec, GuestCustomization customization)
    {
        if (customization.HostName is { } name && !HostName().IsMatch(name))
            throw Bad(spec, "the host name", name, "labels of 1 to 63 letters, digits and dashes, separated by dots");
        if (customization.Address is { } address && !IsAddressWithPrefix(address))
            throw Bad(spec, "the address", address, "an IPv4 address with its prefix, such as 192.0.2.10/24");
        if (customization.Gateway is { } gateway && !IsAddress(gateway))
            throw Bad(spec, "the gateway", gateway, "an IPv4 address");
        if (customization.Address is not null && spec.Nics.IsEmpty)
            throw Bad(spec, "the address", customization.Address, "none: the machine has no network card");
        if (customization.Gateway is not null && customization.Address is null)
            throw Bad(spec, "the gateway", customization.Gateway, "none without an address: DHCP gives one");
        foreach (var key in customization.SshKeys)
        {
            if (key.Length == 0 || key.Any(IsUnprintable) || !IsUnicode(key))
                throw Bad(spec, "an SSH key", key, "one line of text");
        }

        foreach (var command in customization.Commands)
        {
            if (command.Length == 0 || command.Contains('\0', StringComparison.Ordinal) || !IsUnicode(command))
                throw Bad(spec, "a command", command, "text that is not empty and has no zero character");
        }

        if (customization.SshKeys.Concat(customization.Commands).Sum(t => (long)t.Length) is var length and > MaxLength)
            throw Bad(spec, "the length of keys and commands", $"{length}", $"at most {MaxLength} characters together");
    }

    private static bool IsUnicode(string text)
    {
        for (var rest = text.AsSpan(); !rest.IsEmpty;)
        {
            if (Rune.DecodeFromUtf16(rest, out _, out var length) != System.Buffers.OperationStatus.Done)
                return false;
            rest = rest[length..];
        }

        return true;
    }

    private static bool IsAddressWithPrefix(string text) =>
        text.Split('/') is [var address, var prefix] && IsAddress(address)
        && prefix.Length is 1 or 2 && int.TryParse(prefix, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) && bits is >= 1 and <= 32;

    // Only the form with four decimal numbers: "1" and "0x7f.1" are addresses to the parser.
    private static bool IsAddress(string text) =>
        IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == text;

    private static FaultException Bad(MachineSpec spec, string what, string given, string expected) => new(new InvalidArgument(
        $"The customization of '{spec.Name}'", what, given.Length <= 60 ? Quote(given) : $"{Quote(given[..57])}...", expected));

    [GeneratedRegex("""\A(?=.{1,253}\z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\z""")]
    private static partial Regex HostName();
}
