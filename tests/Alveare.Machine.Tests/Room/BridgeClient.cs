using System.Globalization;
using System.Security.Cryptography;

namespace Alveare.Machine.Tests.Room;

/// <summary>A client with the address 192.0.2.1 on a bridge of this machine or one of its namespaces, in a namespace of its own, that asks a guest for more
/// than any limit lets through.</summary>
internal sealed class BridgeClient : IDisposable
{
    private readonly string name = $"alv-c-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(3))}";
    private readonly string[] where;
    private Pings? pings;

    /// <param name="namespace">Where the bridge is; null for the one of the tests.</param>
    public BridgeClient(string bridge, string? @namespace = null, string address = "192.0.2.1")
    {
        where = @namespace is null ? [] : ["ip", "netns", "exec", @namespace];
        NetworkDevices.Run("ip", "netns", "add", name);
        Run("ip", "link", "add", name, "mtu", "1450", "type", "veth", "peer", "name", "eth0", "netns", name);
        Run("ip", "link", "set", name, "master", bridge, "up");
        NetworkDevices.Run("ip", "-n", name, "address", "add", $"{address}/24", "dev", "eth0");
        NetworkDevices.Run("ip", "-n", name, "link", "set", "eth0", "mtu", "1450", "up");
    }

    public void Ask(string address) => pings = new Pings(name, address);

    /// <summary>Bytes of answers a second, over four seconds after one in which whatever was let through at once has gone by.</summary>
    public async Task<double> AnsweredAsync(CancellationToken cancellation)
    {
        await Task.Delay(1000, cancellation);
        return await Rates.PerSecondAsync(() => Received(), TimeSpan.FromSeconds(4), cancellation);
    }

    public void Dispose()
    {
        Rest();
        Run("ip", "link", "delete", name);
        NetworkDevices.Run("ip", "netns", "delete", name);
    }

    /// <summary>Asks no more.</summary>
    public void Rest()
    {
        pings?.Dispose();
        pings = null;
    }

    // What the bridge has sent to it.
    private long Received() => long.Parse(Run("cat", $"/sys/class/net/{name}/statistics/tx_bytes"), CultureInfo.InvariantCulture);

    private string Run(params string[] command) => where is [var program, .. var arguments] ? NetworkDevices.Run(program, [.. arguments, .. command]) : NetworkDevices.Run(command[0], command[1..]);
}
