using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Guest;

/// <summary>Makes facts of what a guest agent answered: pure functions that take nothing on trust.</summary>
public static class GuestReport
{
    private const int MaxHostName = 253;
    private const int MaxOsName = 128;
    private const int MaxAddresses = 32;

    /// <summary>Facts from the answers to <c>guest-get-host-name</c>, <c>guest-get-osinfo</c> and <c>guest-network-get-interfaces</c>;
    /// each may be missing or anything at all.</summary>
    public static GuestFacts Read(JsonElement? hostName, JsonElement? os, JsonElement? interfaces) => new()
    {
        HostName = Text(hostName, "host-name", MaxHostName),
        OsName = Text(os, "pretty-name", MaxOsName) ?? Text(os, "name", MaxOsName),
        Addresses = Addresses(interfaces),
    };

    /// <summary>Addresses that others can reach the guest at: no loopback and no link-local ones; IPv4 first.</summary>
    private static ImmutableArray<string> Addresses(JsonElement? interfaces) =>
    [
        .. Items(interfaces)
            .SelectMany(i => Items(Member(i, "ip-addresses")))
            .Select(a => IPAddress.TryParse(Text(a, "ip-address", 64), out var address) ? address : null)
            .OfType<IPAddress>()
            .Where(a => !IPAddress.IsLoopback(a) && !a.IsIPv6LinkLocal)
            .Distinct()
            .OrderBy(a => a.AddressFamily == AddressFamily.InterNetworkV6)
            .Select(a => a.ToString())
            .Take(MaxAddresses),
    ];

    private static IEnumerable<JsonElement> Items(JsonElement? list) =>
        list is { ValueKind: JsonValueKind.Array } array ? array.EnumerateArray() : [];

    private static JsonElement? Member(JsonElement? of, string name) =>
        of is { ValueKind: JsonValueKind.Object } known && known.TryGetProperty(name, out var value) ? value : null;

    /// <summary>A string member without control characters and cut to a length, or null.</summary>
    private static string? Text(JsonElement? of, string name, int maxLength)
    {
        if (Member(of, name) is not { ValueKind: JsonValueKind.String } value || ReadString(value) is not { } text)
            return null;
        var clean = string.Concat(text.Where(c => !char.IsControl(c) && !char.IsSurrogate(c)).Take(maxLength)).Trim();
        return clean.Length == 0 ? null : clean;
    }

    private static string? ReadString(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair, or bytes that are not UTF-8.
            return null;
        }
    }
}
