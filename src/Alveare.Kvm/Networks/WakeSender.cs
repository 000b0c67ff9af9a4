using System.Net;
using System.Net.Sockets;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Networks;

/// <summary>Sends wake packets into the networks of this host: the sleeper's neighbour reaches it where the center may not.</summary>
internal static class WakeSender
{
    public static async Task SendAsync(SendWakePacket wake, CancellationToken cancellation)
    {
        if (!WakePacket.IsMac(wake.Mac) || !WakePacket.IsBroadcast(wake.Broadcast))
            throw new FaultException(new InvalidArgument("The wake packet", "its address", $"'{wake.Mac}' by '{wake.Broadcast}'", "a MAC address and an IPv4 address"));
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { EnableBroadcast = true };
            await socket.SendToAsync(WakePacket.Of(wake.Mac), new IPEndPoint(IPAddress.Parse(wake.Broadcast), WakePacket.Port), cancellation);
        }
        catch (SocketException e)
        {
            throw new FaultException(new HostOperationFailed($"Sending a wake packet to {wake.Broadcast}", e.Message), e);
        }
    }
}
