using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Alveare.Model.Hosts;

/// <summary>The packet that wakes a machine by its network card ("magic packet"): six bytes of ones, then the card's address sixteen times.</summary>
/// <remarks>AMD, "Magic Packet Technology", publication 20213. It is sent as UDP to port 9 (discard), where nobody answers.</remarks>
public static class WakePacket
{
    public const int Port = 9;

    private const int MacBytes = 6;
    private const int Repeats = 16;

    /// <summary>Whether this is a MAC address of one card, such as <c>52:54:00:ab:cd:ef</c>: not of a group of them, nor of none.</summary>
    public static bool IsMac(string text) =>
        TryParse(text) is { } mac && (mac[0] & 1) == 0 && mac.Any(b => b != 0);

    /// <summary>Whether this is an IPv4 address in its usual form.</summary>
    public static bool IsBroadcast(string text) =>
        IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == text;

    /// <summary>The packet, 102 bytes, for a card whose address <see cref="IsMac"/> accepts.</summary>
    public static byte[] Of(string mac)
    {
        var parsed = TryParse(mac) ?? throw new ArgumentException($"'{mac}' is no MAC address.", nameof(mac));
        return [.. Enumerable.Repeat((byte)0xFF, MacBytes), .. Enumerable.Repeat(parsed, Repeats).SelectMany(m => m)];
    }

    private static byte[]? TryParse(string text)
    {
        var parts = text.Split(':');
        if (parts.Length != MacBytes)
            return null;
        var mac = new byte[MacBytes];
        for (var n = 0; n < MacBytes; n++)
        {
            if (parts[n].Length != 2 || !byte.TryParse(parts[n], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out mac[n]))
                return null;
        }

        return mac;
    }
}
