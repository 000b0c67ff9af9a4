using System.Net.Sockets;
using Alveare.Kvm.Files;

namespace Alveare.Kvm.Qmp;

/// <summary>Opens the sockets that a QEMU listens on.</summary>
/// <remarks>A connection follows links, and QEMU's user may put one in the place of a socket, to a service of the host's that takes root's word: a console
/// would carry a viewer's words there. So nothing is said to a listener of another user than the one whom the socket's directory belongs to.</remarks>
internal static class QemuSocket
{
    // SOL_SOCKET and SO_PEERCRED, which answers process, user and group of the listener as it was when it began to listen.
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;

    /// <exception cref="SocketException">Nobody listens there, or somebody else does.</exception>
    public static async Task<Socket> ConnectAsync(string path, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            if (ListenerOf(socket) != FileCalls.OwnerOf(Path.GetDirectoryName(path)!))
                throw new SocketException((int)SocketError.AccessDenied);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static uint ListenerOf(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12];
        socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
        return BitConverter.ToUInt32(credentials[4..8]);
    }
}
