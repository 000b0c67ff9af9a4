using System.Net.NetworkInformation;
using System.Net.Sockets;
using Alveare.Kvm.Qemu;
using Alveare.Model.Faults;

namespace Alveare.Kvm.Networks;

/// <summary>The network device over which a host's port groups reach those of other hosts.</summary>
/// <param name="PortGroupMtu">What is left of its MTU for frames of guests.</param>
internal sealed record Uplink(string Name, int Index, int PortGroupMtu)
{
    // The frame's own Ethernet header (14), VXLAN (8), UDP (8) and IPv4 (20).
    private const int VxlanOverhead = 50;

    /// <summary>Finds the device among <paramref name="links"/>; a fault when it cannot carry port groups.</summary>
    public static Uplink Find(string name, IReadOnlyList<Link> links)
    {
        var link = links.FirstOrDefault(l => l.Name == name) ?? throw Unusable(name, "there is no such network device");
        if (!link.IsUp)
            throw Unusable(name, "it is down");
        if (link.Mtu - VxlanOverhead < CommandLine.GuestMtu)
        {
            throw Unusable(
                name, $"its MTU is {link.Mtu}; expected {CommandLine.GuestMtu + VxlanOverhead} or more, because guests send frames of up to {CommandLine.GuestMtu} bytes and VXLAN adds {VxlanOverhead}");
        }

        if (!HasIPv4(name))
            throw Unusable(name, "it has no IPv4 address to send from");
        return new Uplink(name, link.Index, link.Mtu - VxlanOverhead);
    }

    private static bool HasIPv4(string name) =>
        NetworkInterface.GetAllNetworkInterfaces()
            .Where(i => i.Name == name)
            .SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Any(a => a.Address.AddressFamily == AddressFamily.InterNetwork);

    private static FaultException Unusable(string name, string reason) =>
        new(new HostOperationFailed($"Joining port groups to those of other hosts over the uplink '{name}'", reason));
}
