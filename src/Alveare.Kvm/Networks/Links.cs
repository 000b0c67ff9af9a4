using System.Net;
using System.Runtime.InteropServices;
using System.Text;

namespace Alveare.Kvm.Networks;

/// <summary>One network device of this namespace.</summary>
/// <param name="Alias">The free text that an administrator or program has put on it, or empty.</param>
/// <param name="Kind">The kernel's word, such as <c>bridge</c>, <c>vxlan</c> or <c>tun</c>; empty for a physical one.</param>
/// <param name="Master">Index of the bridge it is a port of, or 0.</param>
/// <param name="Lower">Index of the device that a VXLAN device sends over, or 0.</param>
internal sealed record Link(int Index, string Name, string Alias, string Kind, int Master, int Lower, int Mtu, bool IsUp);

/// <summary>The network devices of this process's namespace, read and changed over rtnetlink.</summary>
internal sealed partial class Links : IDisposable
{
    private const uint FlagUp = 1;
    private const ushort Name = 3;
    private const ushort Mtu = 4;
    private const ushort Master = 10;
    private const ushort Counters64 = 1;
    private const ushort Info = 18;
    private const ushort InfoKind = 1;
    private const ushort InfoData = 2;
    private const ushort Alias = 20;
    private const ushort FamilyData = 26;
    private const ushort ExtendedMask = 29;

    // RTEXT_FILTER_SKIP_STATS: counters make up most of a device's description.
    private const int SkipStatistics = 1 << 3;

    private const ushort FamilyIPv6 = 10;
    private const ushort AddressGeneration = 8;
    private const byte GenerateNone = 1;

    private const ushort BridgeStp = 5;
    private const ushort BridgeForwardDelay = 1;
    private const ushort BridgeMulticastSnooping = 23;

    private const ushort VxlanId = 1;
    private const ushort VxlanGroup = 2;
    private const ushort VxlanLower = 3;
    private const ushort VxlanTtl = 5;
    private const ushort VxlanLearning = 7;
    private const ushort VxlanDestination = 15;
    /// <summary>IANA's.</summary>
    public const ushort VxlanPort = 4789;

    // Multicast is sent with a TTL of 1 unless told otherwise, and never leaves the first segment then.
    private const byte Ttl = 16;

    private static readonly bool HasIPv6 = File.Exists("/proc/net/if_inet6");

    private readonly NetlinkSocket netlink = new();

    public IReadOnlyList<Link> List()
    {
        while (true)
        {
            var links = new List<Link>();
            var request = NetlinkRequest.Link(NetlinkRequest.GetLink, NetlinkRequest.FlagDump).Add(ExtendedMask, SkipStatistics);
            if (netlink.Dump(request, "listing network devices", payload => links.Add(Parse(payload))))
                return links;
        }
    }

    /// <summary>The traffic of every device so far, by its index, in one answer of the kernel.</summary>
    public IReadOnlyDictionary<int, LinkCounters> ReadCounters()
    {
        var counters = new Dictionary<int, LinkCounters>();
        // struct if_stats_msg: family, device, mask of the groups of figures wanted.
        var request = new NetlinkRequest(NetlinkRequest.GetStats, NetlinkRequest.FlagDump);
        request.Append(0u);
        request.Append(0u);
        request.Append(1u << (Counters64 - 1));
        netlink.Dump(request, "reading the counters of network devices", payload =>
        {
            // struct rtnl_link_stats64: packets in, packets out, bytes in, bytes out, ...
            var figures = NetlinkAttributes.Find(payload[12..], Counters64);
            if (figures.Length >= 32)
                counters[BitConverter.ToInt32(payload[4..])] = new LinkCounters(BitConverter.ToInt64(figures[16..]), BitConverter.ToInt64(figures[24..]));
        });
        return counters;
    }

    public static bool Exists(string name) => IndexOfName(name) > 0;

    /// <summary>The number of a device that must be there.</summary>
    public static int IndexOf(string name) => IndexOfName(name) is > 0 and var index
        ? index
        : throw new NetlinkException($"finding the network device '{name}'", NetlinkException.NoDevice, null);

    /// <summary>Makes a bridge that floods what it does not know and learns nothing from guests' multicast.</summary>
    /// <remarks>No spanning tree (loops cannot arise from taps and one VXLAN device), so a new port forwards at once. No snooping: without a
    /// querier in the guests' network it would cut off IPv6's neighbour discovery after some minutes.</remarks>
    public void AddBridge(string name, int mtu) => netlink.Execute(
        NetlinkRequest.Link(NetlinkRequest.NewLink, NetlinkRequest.FlagsCreate | NetlinkRequest.FlagAck)
            .Add(Name, name)
            .Add(Mtu, mtu)
            .AddNested(Info, info => info
                .Add(InfoKind, "bridge")
                .AddNested(InfoData, data => data
                    .Add(BridgeForwardDelay, 0)
                    .Add(BridgeStp, 0)
                    .Add(BridgeMulticastSnooping, (byte)0))),
        $"making the bridge '{name}'");

    /// <summary>Makes a VXLAN device that finds the other hosts by a multicast group and learns which of them has which address.</summary>
    public void AddVxlan(string name, int vni, IPAddress group, int uplink, int mtu) => netlink.Execute(
        NetlinkRequest.Link(NetlinkRequest.NewLink, NetlinkRequest.FlagsCreate | NetlinkRequest.FlagAck)
            .Add(Name, name)
            .Add(Mtu, mtu)
            .AddNested(Info, info => info
                .Add(InfoKind, "vxlan")
                .AddNested(InfoData, data => data
                    .Add(VxlanId, vni)
                    .Add(VxlanGroup, group.GetAddressBytes())
                    .Add(VxlanLower, uplink)
                    .Add(VxlanTtl, Ttl)
                    .Add(VxlanLearning, (byte)1)
                    .AddBigEndian(VxlanDestination, VxlanPort))),
        $"making the VXLAN device '{name}' with network identifier {vni}");

    /// <summary>Makes an intermediate device: what is sent by it comes in where it came from.</summary>
    public void AddIfb(string name) => netlink.Execute(
        NetlinkRequest.Link(NetlinkRequest.NewLink, NetlinkRequest.FlagsCreate | NetlinkRequest.FlagAck)
            .Add(Name, name)
            .AddNested(Info, info => info.Add(InfoKind, "ifb")),
        $"making the intermediate device '{name}'");

    /// <summary>Writes a device's alias and MTU, and keeps the host itself off the guests' network: no IPv6 address of its own.</summary>
    /// <param name="mtu">Null for what it has.</param>
    public void Describe(string name, string alias, int? mtu)
    {
        var request = NetlinkRequest.Link(NetlinkRequest.SetLink, NetlinkRequest.FlagAck).Add(Name, name).Add(Alias, alias);
        if (mtu is { } size)
            request.Add(Mtu, size);
        if (HasIPv6)
            request.AddNested(FamilyData, data => data.AddNested(FamilyIPv6, ipv6 => ipv6.Add(AddressGeneration, GenerateNone)));
        netlink.Execute(request, $"setting up the network device '{name}'");
    }

    /// <summary>Takes a device into use, as a port of bridge <paramref name="master"/> unless that is 0.</summary>
    public void Raise(string name, int master)
    {
        var request = NetlinkRequest.Link(NetlinkRequest.SetLink, NetlinkRequest.FlagAck, 0, FlagUp, FlagUp).Add(Name, name);
        if (master != 0)
            request.Add(Master, master);
        netlink.Execute(request, $"taking the network device '{name}' into use");
    }

    /// <summary>Removes a device; one that is gone already is no error.</summary>
    public void Remove(string name)
    {
        try
        {
            netlink.Execute(
                NetlinkRequest.Link(NetlinkRequest.DeleteLink, NetlinkRequest.FlagAck).Add(Name, name), $"removing the network device '{name}'");
        }
        catch (NetlinkException e) when (e.Error == NetlinkException.NoDevice)
        {
            // A tap, for one, ends with the namespace or by an administrator's hand.
        }
    }

    public void Dispose() => netlink.Dispose();

    [LibraryImport("libc", EntryPoint = "if_nametoindex", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int IndexOfName(string name);

    private static Link Parse(ReadOnlySpan<byte> payload)
    {
        var link = new Link(BitConverter.ToInt32(payload[4..]), "", "", "", 0, 0, 0, (BitConverter.ToUInt32(payload[8..]) & FlagUp) != 0);
        var attributes = new NetlinkAttributes(payload[16..]);
        while (attributes.MoveNext())
        {
            link = attributes.Type switch
            {
                Name => link with { Name = attributes.Text },
                Alias => link with { Alias = attributes.Text },
                Mtu => link with { Mtu = attributes.Number },
                Master => link with { Master = attributes.Number },
                Info => Specify(link, attributes.Value),
                _ => link,
            };
        }

        return link;
    }

    private static Link Specify(Link link, ReadOnlySpan<byte> info)
    {
        var kind = Encoding.UTF8.GetString(NetlinkAttributes.Find(info, InfoKind).TrimEnd((byte)0));
        var lower = kind == "vxlan" ? NetlinkAttributes.Find(NetlinkAttributes.Find(info, InfoData), VxlanLower) : [];
        return link with { Kind = kind, Lower = lower.IsEmpty ? 0 : BitConverter.ToInt32(lower) };
    }
}
