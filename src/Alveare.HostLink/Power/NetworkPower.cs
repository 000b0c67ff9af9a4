using System.Net;
using System.Net.Sockets;
using Alveare.Core.Power;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;

namespace Alveare.HostLink.Power;

/// <summary>The power of hosts over the center's networks: Wake-on-LAN by UDP, and baseboard controllers by Redfish.</summary>
/// <param name="wakePort">UDP port that wake packets go to; the card itself does not look at it.</param>
public sealed class NetworkPower(int wakePort = WakePacket.Port) : IHostPower
{
    // Reset types of the schema.
    private const string Up = "On";
    private const string Down = "GracefulShutdown";

    public async Task SendPacketAsync(WakeOnLan card, CancellationToken cancellation)
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { EnableBroadcast = true };
            await socket.SendToAsync(WakePacket.Of(card.Mac), new IPEndPoint(IPAddress.Parse(card.Broadcast), wakePort), cancellation);
        }
        catch (SocketException e)
        {
            throw new FaultException(new HostOperationFailed($"Sending a wake packet to {card.Broadcast}", e.Message), e);
        }
    }

    public async Task CheckAsync(Redfish controller, string password, CancellationToken cancellation)
    {
        using var client = new RedfishClient(controller, password);
        var system = await client.ReadAsync(cancellation);
        client.Require(system, Up);
        client.Require(system, Down);
    }

    public async Task<bool> IsOnAsync(Redfish controller, string password, CancellationToken cancellation)
    {
        using var client = new RedfishClient(controller, password);
        return (await client.ReadAsync(cancellation)).IsOn;
    }

    public Task PowerOnAsync(Redfish controller, string password, CancellationToken cancellation) =>
        ResetAsync(controller, password, Up, system => !system.IsOn, cancellation);

    public Task ShutDownAsync(Redfish controller, string password, CancellationToken cancellation) =>
        ResetAsync(controller, password, Down, system => system.IsOn, cancellation);

    private static async Task ResetAsync(Redfish controller, string password, string type, Func<RedfishSystem, bool> isNeeded, CancellationToken cancellation)
    {
        using var client = new RedfishClient(controller, password);
        var system = await client.ReadAsync(cancellation);
        if (isNeeded(system))
            await client.ResetAsync(system, type, cancellation);
    }
}
