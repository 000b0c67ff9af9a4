using System.Diagnostics;
using System.Security.Cryptography;

namespace Alveare.Machine.Tests.Room;

/// <summary>Two network namespaces as two machines: a cable between them (device <see cref="Uplink"/> in each), and one from each to the tests.</summary>
internal sealed class TwoNamespaces : IDisposable
{
    public const string Uplink = "uplink0";

    // Classes of tests run beside each other: what one reaches must not be what another made.
    private static int subnets = RandomNumberGenerator.GetInt32(0, 128);

    private readonly string tag = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(3));

    // Two of the 256 networks of 198.19/16, the next ones that nobody has; 198.19/16 belongs to tests of network devices (RFC 2544) like
    // 198.18/16, which labs use.
    private readonly int subnet;

    public TwoNamespaces()
    {
        var taken = NetworkDevices.Run("ip", "-4", "route", "show");
        do
            subnet = 2 * (Interlocked.Increment(ref subnets) % 128);
        while (taken.Contains($"{ManagementPrefix(0)}.0/30 ", StringComparison.Ordinal));
        for (var i = 0; i < 2; i++)
        {
            NetworkDevices.Run("ip", "netns", "add", NameOf(i));
            InNamespace(i, "ip", "link", "set", "lo", "up");
            NetworkDevices.Run("ip", "link", "add", $"m{tag}{i}", "type", "veth", "peer", "name", "manage0", "netns", NameOf(i));
            NetworkDevices.Run("ip", "address", "add", $"{ManagementPrefix(i)}.1/30", "dev", $"m{tag}{i}");
            NetworkDevices.Run("ip", "link", "set", $"m{tag}{i}", "up");
            InNamespace(i, "ip", "address", "add", $"{ManagementOf(i)}/30", "dev", "manage0");
            InNamespace(i, "ip", "link", "set", "manage0", "up");
        }

        NetworkDevices.Run("ip", "link", "add", Uplink, "netns", NameOf(0), "type", "veth", "peer", "name", Uplink, "netns", NameOf(1));
        for (var i = 0; i < 2; i++)
        {
            InNamespace(i, "ip", "address", "add", $"{UplinkOf(i)}/24", "dev", Uplink);
            InNamespace(i, "ip", "link", "set", Uplink, "up");
        }
    }

    public string NameOf(int which) => $"alv-t-{tag}{which}";

    public static string UplinkOf(int which) => $"198.18.77.{which + 1}";

    /// <summary>The address at which the tests reach a namespace.</summary>
    public string ManagementOf(int which) => $"{ManagementPrefix(which)}.2";

    /// <summary>Runs a program there; fails when it does.</summary>
    public string InNamespace(int which, params string[] command) => NetworkDevices.Run("ip", ["netns", "exec", NameOf(which), .. command]);

    /// <summary>Puts a client with an address on a bridge: one end of a cable as a port, the other with the address, in a namespace of its own
    /// so that it has no other way.</summary>
    public void AddClient(int which, string bridge, string address)
    {
        var client = $"{NameOf(which)}c";
        NetworkDevices.Run("ip", "netns", "add", client);
        InNamespace(which, "ip", "link", "add", "client0", "mtu", "1450", "type", "veth", "peer", "name", "eth0", "netns", client);
        InNamespace(which, "ip", "link", "set", "client0", "master", bridge, "up");
        NetworkDevices.Run("ip", "-n", client, "address", "add", $"{address}/24", "dev", "eth0");
        NetworkDevices.Run("ip", "-n", client, "link", "set", "eth0", "mtu", "1450", "up");
    }

    /// <summary>Whether an address answers the client of a namespace: it is asked once a second, for longer than a guest takes to boot.</summary>
    public bool Answers(int which, string address)
    {
        for (var asked = 0; asked < 120; asked++)
        {
            using var ping = Process.Start(new ProcessStartInfo(
                "ip", ["netns", "exec", $"{NameOf(which)}c", "busybox", "ping", "-c", "1", "-W", "1", address]) { RedirectStandardOutput = true })!;
            ping.StandardOutput.ReadToEnd();
            ping.WaitForExit();
            if (ping.ExitCode == 0)
                return true;
        }

        return false;
    }

    public void Dispose()
    {
        foreach (var name in NetworkDevices.Run("ip", "netns", "list").Split('\n').Select(l => l.Split(' ')[0]).Where(n => n.StartsWith($"alv-t-{tag}", StringComparison.Ordinal)))
            NetworkDevices.Run("ip", "netns", "delete", name);
    }

    private string ManagementPrefix(int which) => $"198.19.{subnet + which}";
}
