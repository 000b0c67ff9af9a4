using System.Globalization;
using System.Net;
using System.Text;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Networks;

/// <summary>Names and aliases of the devices that one host makes, so that it knows them again and nobody else's.</summary>
/// <remarks>A name has at most 15 bytes: <c>alv</c>, a letter for what it is (b bridge, x VXLAN, t tap, i a tap's intermediate device), three characters for the host (tests
/// and labs run several in one namespace), and the rest: a port group's network identifier or a machine's hash. Names can in theory collide; the
/// alias, with the whole identities, decides.</remarks>
public sealed class DeviceNames(EntityId host)
{
    /// <summary>What the name of every device of ours begins with.</summary>
    public const string Prefix = "alv";

    private const string Digits = "0123456789abcdefghijklmnopqrstuvwxyz";

    // IFALIASZ is 256 with the final zero byte.
    private const int MaxAlias = 255;

    private readonly string hostPart = Encode(host.Uuid.ToByteArray(), 3);
    private readonly string aliasPrefix = $"alveare {host.Uuid:N} ";

    public string Bridge(int vni) => $"{Prefix}b{hostPart}{vni.ToString(CultureInfo.InvariantCulture)}";

    public string Vxlan(int vni) => $"{Prefix}x{hostPart}{vni.ToString(CultureInfo.InvariantCulture)}";

    public string Tap(Guid machine, int nic) => $"{Prefix}t{hostPart}{Encode(machine.ToByteArray(), 7)}{nic}";

    /// <summary>The intermediate device of a tap.</summary>
    public static string IfbOf(string tap) => $"{Prefix}i{tap[(Prefix.Length + 1)..]}";

    public string AliasOf(PortGroupSpec portGroup) => Cut($"{aliasPrefix}portgroup {portGroup.Id.Uuid:N} {portGroup.Name}");

    public string AliasOfTap(MachineSpec machine, int nic) => Cut($"{aliasPrefix}tap {machine.Uuid:N} {nic} {machine.Name}");

    public string AliasOfIfb(string tap) => $"{aliasPrefix}ifb {tap}";

    internal bool IsOurs(Link link) => link.Alias.StartsWith(aliasPrefix, StringComparison.Ordinal);

    internal bool IsTap(Link link) => link.Alias.StartsWith(aliasPrefix + "tap ", StringComparison.Ordinal);

    internal bool IsIfb(Link link) => link.Alias.StartsWith(aliasPrefix + "ifb ", StringComparison.Ordinal);

    internal bool IsBridge(Link link) => link.Kind == "bridge" && IsOurs(link);

    /// <summary>The name of the machine that a tap belongs to, as its alias has it.</summary>
    internal static string MachineOf(Link tap) => tap.Alias.Split(' ', 6) is { Length: 6 } parts ? parts[5] : tap.Name;

    /// <summary>The port group that a bridge is, as its alias has it.</summary>
    internal static (EntityId Id, string Name) PortGroupOf(Link bridge) =>
        bridge.Alias.Split(' ', 5) is { Length: 5 } parts && Guid.TryParseExact(parts[3], "N", out var id)
            ? (new EntityId(EntityKind.PortGroup, id), parts[4])
            : (new EntityId(EntityKind.PortGroup, Guid.Empty), bridge.Name);

    /// <summary>The multicast group of a port group: its network identifier within 239/8, so that no two share one.</summary>
    public static IPAddress Group(int vni) => new([239, (byte)(vni >> 16), (byte)(vni >> 8), (byte)vni]);

    // 36-based and not hexadecimal: seven characters tell 78 thousand million machines apart.
    private static string Encode(byte[] identity, int characters)
    {
        // FNV-1a, 64 bit: spreads all bytes of the identity over the few characters.
        var hash = 14695981039346656037UL;
        foreach (var b in identity)
            hash = (hash ^ b) * 1099511628211UL;
        hash ^= hash >> 32;
        return string.Create(characters, hash, static (text, value) =>
        {
            for (var i = 0; i < text.Length; i++, value /= 36)
                text[i] = Digits[(int)(value % 36)];
        });
    }

    private static string Cut(string alias)
    {
        while (Encoding.UTF8.GetByteCount(alias) > MaxAlias)
            alias = alias[..^1];
        return alias;
    }
}
