using System.Net;
using System.Net.Sockets;
using Alveare.Model.Faults;

namespace Alveare.HostLink.Remote;

/// <summary>Where a host link is: a host name or IP address, and a port.</summary>
internal sealed record LinkAddress(string Host, int Port)
{
    /// <summary>Reads <c>host</c>, <c>host:port</c> or <c>[v6]:port</c>. Throws <see cref="InvalidArgument"/> for anything else.</summary>
    public static LinkAddress Parse(string text)
    {
        var isAddress = Uri.TryCreate($"tcp://{text}", UriKind.Absolute, out var uri)
            && uri is { PathAndQuery: "" or "/", UserInfo: "", Fragment: "" }
            && uri.HostNameType is UriHostNameType.Dns or UriHostNameType.IPv4 or UriHostNameType.IPv6
            && !text.Contains('/', StringComparison.Ordinal);
        return isAddress
            ? new LinkAddress(uri!.DnsSafeHost, uri.IsDefaultPort || uri.Port < 0 ? HostLinkOptions.DefaultPort : uri.Port)
            : throw new FaultException(new InvalidArgument("Host", "the address", $"'{text}'", "a host name or IP address, with a port if it is not the usual one"));
    }

    public async ValueTask<Stream> ConnectAsync(CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (IPAddress.TryParse(Host, out var address))
                await socket.ConnectAsync(address, Port, cancellation);
            else
                await socket.ConnectAsync(Host, Port, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
