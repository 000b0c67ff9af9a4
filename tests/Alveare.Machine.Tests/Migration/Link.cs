using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Alveare.Machine.Tests.Migration;

/// <summary>A wire between two hosts that a test can cut: it forwards TCP until it is frozen or reset.</summary>
internal sealed class Link : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly Lock gate = new();
    private readonly List<Socket> sockets = [];
    private readonly CancellationTokenSource frozen = new();
    private readonly ConcurrentQueue<byte> firstBytes = new();
    private bool isReset;

    /// <summary>The first byte that the near end sent on each connection.</summary>
    public IReadOnlyList<byte> FirstBytes => [.. firstBytes];

    /// <summary>Leads to <paramref name="uri"/>; answers the URI to use instead.</summary>
    public Task<string> ToAsync(string uri)
    {
        listener.Start();
        _ = AcceptAsync(int.Parse(uri[(uri.LastIndexOf(':') + 1)..], CultureInfo.InvariantCulture));
        return Task.FromResult($"tcp:127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
    }

    /// <summary>Nothing passes any more and neither end is told, as when a cable is pulled.</summary>
    public void Freeze() => frozen.Cancel();

    /// <summary>Both ends lose their connection, also one that has only just been made.</summary>
    public void Reset()
    {
        lock (gate)
        {
            isReset = true;
            foreach (var socket in sockets)
                Reset(socket);
        }
    }

    private static void Reset(Socket socket)
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public ValueTask DisposeAsync()
    {
        frozen.Cancel();
        lock (gate)
        {
            foreach (var socket in sockets)
                socket.Dispose();
        }

        listener.Dispose();
        frozen.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task AcceptAsync(int port)
    {
        try
        {
            while (true)
            {
                var near = await listener.AcceptSocketAsync(frozen.Token);
                var far = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                await far.ConnectAsync(IPAddress.Loopback, port);
                Keep(near, far);
                _ = ForwardAsync(near, far, firstBytes.Enqueue);
                _ = ForwardAsync(far, near, null);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Cut, or the other end has gone.
        }
    }

    private void Keep(params ReadOnlySpan<Socket> pair)
    {
        lock (gate)
        {
            foreach (var socket in pair)
            {
                sockets.Add(socket);
                if (isReset)
                    Reset(socket);
            }
        }
    }

    private async Task ForwardAsync(Socket from, Socket to, Action<byte>? onFirst)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, frozen.Token) is var count and > 0)
            {
                onFirst?.Invoke(buffer[0]);
                onFirst = null;
                await to.SendAsync(buffer.AsMemory(0, count), frozen.Token);
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Cut.
        }
    }
}
