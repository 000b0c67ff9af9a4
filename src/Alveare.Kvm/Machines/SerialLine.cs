using System.Net.Sockets;

namespace Alveare.Kvm.Machines;

/// <summary>The one connection that QEMU takes to a machine's serial line, shared by all who have it open: each sees all that the guest
/// writes from when it came, and what any of them writes reaches the guest piece by piece.</summary>
/// <remarks>The guest is always read: QEMU 7.2 holds its UART back while nobody reads, and a kernel that prints would wait for a slow
/// viewer. A viewer that falls behind loses the oldest bytes instead, and is told so.</remarks>
public sealed class SerialLine : IDisposable
{
    private readonly Lock sync = new();
    private readonly List<SerialViewer> viewers = [];
    private readonly SemaphoreSlim writing = new(1);
    private readonly Socket socket;
    private bool ended;
    private bool isEndedByQemu;

    public SerialLine(Socket socket)
    {
        this.socket = socket;
        _ = PumpAsync();
    }

    /// <summary>QEMU has closed the line, which it only does when it ends.</summary>
    public bool IsEndedByQemu
    {
        get
        {
            lock (sync)
                return isEndedByQemu;
        }
    }

    /// <summary>A further viewer, or null when the line has ended.</summary>
    public Stream? Join()
    {
        lock (sync)
        {
            if (ended)
                return null;
            var viewer = new SerialViewer(this);
            viewers.Add(viewer);
            return viewer;
        }
    }

    /// <summary>Ends the line for all.</summary>
    public void Dispose()
    {
        SerialViewer[] all;
        lock (sync)
        {
            ended = true;
            all = [.. viewers];
            viewers.Clear();
        }

        socket.Dispose();
        foreach (var viewer in all)
            viewer.End();
    }

    internal async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        await writing.WaitAsync(cancellation);
        try
        {
            while (!bytes.IsEmpty)
                bytes = bytes[await socket.SendAsync(bytes, cancellation)..];
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new IOException("The serial line has ended.", e);
        }
        finally
        {
            writing.Release();
        }
    }

    /// <summary>The last one who leaves closes the connection.</summary>
    internal void Leave(SerialViewer viewer)
    {
        lock (sync)
        {
            if (!viewers.Remove(viewer) || viewers.Count > 0)
                return;
            // From here on nobody joins: whoever did would be ended with the line.
            ended = true;
        }

        Dispose();
    }

    private async Task PumpAsync()
    {
        var piece = new byte[16 * 1024];
        try
        {
            while (await socket.ReceiveAsync(piece) is > 0 and var count)
            {
                lock (sync)
                {
                    foreach (var viewer in viewers)
                        viewer.Put(piece.AsSpan(0, count));
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // QEMU has ended, or the line was closed.
        }

        lock (sync)
            isEndedByQemu = !ended;
        Dispose();
    }
}
