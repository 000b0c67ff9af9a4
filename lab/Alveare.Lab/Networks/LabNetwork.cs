using System.Text;
using Alveare.Lab.Layout;
using Alveare.Lab.Programs;

namespace Alveare.Lab.Networks;

/// <summary>The lab's cables: network namespaces, two bridges, and a veth pair from each namespace to each bridge it is on.</summary>
public sealed class LabNetwork(LabPlan plan)
{
    private const string Names = "/run/netns";
    private const string Management = "mgmt";
    private const string Uplink = "uplink";

    // More than a guest's 1,500 bytes and VXLAN's 50 around them.
    private const int UplinkMtu = 9000;

    /// <summary>The client's own end of the port group.</summary>
    private const string ClientDevice = "guests";

    public bool Exists => plan.Namespaces.All(n => File.Exists($"{Names}/{n}"));

    /// <summary>Builds everything anew; what is left of an earlier, half built one goes first.</summary>
    public async Task BuildAsync()
    {
        await RemoveAsync();
        await BatchAsync(null, plan.Namespaces.Select(n => $"netns add {n}"));
        await BatchAsync(plan.Wire, [.. Bridge(Management), .. Bridge(Uplink), $"link set {Uplink} mtu {UplinkMtu}"]);
        await CableAsync(plan.Center, "center", Management, plan.CenterAddress);
        foreach (var host in plan.Hosts)
        {
            await CableAsync(plan.NamespaceOf(host), host, Management, plan.AddressOf(host, plan.Management));
            await CableAsync(plan.NamespaceOf(host), host, Uplink, plan.AddressOf(host, plan.Uplink));
        }

        await CableAsync(plan.Client, "client", Uplink, $"{plan.Uplink}.100");
        await BatchAsync(plan.Client,
        [
            // The same network as the hosts' port group: its identifier, and the multicast group made of that identifier within 239/8.
            $"link add {ClientDevice} type vxlan id {plan.Vni} group 239.{plan.Vni >> 16}.{(plan.Vni >> 8) & 255}.{plan.Vni & 255} dstport 4789 ttl 16 dev {Uplink}0",
            $"address add {plan.GuestAddress(200)}/24 dev {ClientDevice}",
            $"link set {ClientDevice} mtu 1500 up",
        ]);
        await BatchAsync(null,
        [
            $"link add {plan.RootDevice} type veth peer name {Management}-root netns {plan.Wire}",
            $"address add {plan.Management}.1/24 dev {plan.RootDevice}",
            $"link set {plan.RootDevice} up",
        ]);
        await BatchAsync(plan.Wire, [$"link set {Management}-root master {Management} up"]);
    }

    /// <summary>Removes what there is of it. Processes in the namespaces must have ended: a namespace lives as long as they do.</summary>
    public async Task RemoveAsync()
    {
        if (Directory.Exists($"/sys/class/net/{plan.RootDevice}"))
            await Command.TryAsync("ip", ["link", "delete", plan.RootDevice]);
        foreach (var name in plan.Namespaces.Where(n => File.Exists($"{Names}/{n}")))
            await Command.RunAsync("ip", ["netns", "delete", name]);
        // The first name on a machine makes the directory a mount, which nobody takes away with the last one.
        if (Directory.Exists(Names) && !Directory.EnumerateFileSystemEntries(Names).Any())
            await Command.TryAsync("umount", [Names]);
    }

    /// <summary>Pulls or plugs a host's cable to the management network: the center loses it.</summary>
    public Task CutManagementAsync(string host, bool cut) => SetCableAsync(host, Management, cut);

    /// <summary>Pulls or plugs a host's cable to the network between hosts.</summary>
    public Task CutUplinkAsync(string host, bool cut) => SetCableAsync(host, Uplink, cut);

    /// <summary>The devices that connect virtual machines on a host.</summary>
    public async Task<IReadOnlyList<string>> TapsAsync(string host)
    {
        // "2: NAME: <FLAGS> ..." a line.
        var listed = await Command.RunAsync("ip", ["-n", plan.NamespaceOf(host), "-o", "link", "show", "type", "tun"]);
        return [.. listed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(": ")[1])];
    }

    private Task SetCableAsync(string host, string bridge, bool cut) =>
        BatchAsync(plan.Wire, [$"link set {bridge}-{host} {(cut ? "down" : "up")}"]);

    private static string[] Bridge(string name) =>
    [
        $"link add {name} type bridge",
        // Nobody asks for multicast groups here, so snooping would end it after a while.
        $"link set {name} type bridge mcast_snooping 0",
        $"link set {name} up",
        "link set lo up",
    ];

    private async Task CableAsync(string namespaceName, string end, string bridge, string address)
    {
        var mtu = bridge == Uplink ? $" mtu {UplinkMtu}" : "";
        await BatchAsync(plan.Wire,
        [
            $"link add {bridge}-{end} type veth peer name {bridge}0 netns {namespaceName}",
            $"link set {bridge}-{end} master {bridge}{mtu} up",
        ]);
        await BatchAsync(namespaceName,
        [
            "link set lo up",
            $"address add {address}/24 dev {bridge}0",
            $"link set {bridge}0{mtu} up",
        ]);
    }

    private static async Task BatchAsync(string? namespaceName, IEnumerable<string> lines)
    {
        var text = new StringBuilder();
        foreach (var line in lines)
            text.Append(line).Append('\n');
        string[] at = namespaceName is null ? [] : ["-n", namespaceName];
        await Command.RunAsync("ip", [.. at, "-batch", "-"], text.ToString());
    }
}
