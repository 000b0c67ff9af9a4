using System.Net.Sockets;
using Alveare.Kvm.Qemu;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Machines;

/// <summary>The open consoles of one running machine. QEMU serves several VNC viewers itself; the serial line is shared here.</summary>
/// <remarks>They are closed before a migration: a serial line whose reader does not read leaves a byte waiting in QEMU's UART, and
/// the destination, which has no reader, would wait for one for ever (QEMU 7.2, <c>serial_post_load</c>).</remarks>
public sealed class Consoles
{
    private readonly Lock sync = new();
    private readonly List<Screen> screens = [];
    private SerialLine? serial;
    private bool closed;

    public Task<Stream> OpenAsync(string machine, RunDirectory run, HostChannelKind kind, CancellationToken cancellation) =>
        kind == HostChannelKind.Serial ? OpenSerialAsync(machine, run, cancellation) : OpenScreenAsync(machine, run, cancellation);

    /// <summary>Ends every open console and refuses new ones until <see cref="Reopen"/>.</summary>
    public void Close()
    {
        IDisposable[] ending;
        lock (sync)
        {
            closed = true;
            ending = serial is null ? [.. screens] : [serial, .. screens];
            serial = null;
        }

        foreach (var console in ending)
            console.Dispose();
    }

    public void Reopen()
    {
        lock (sync)
            closed = false;
    }

    private async Task<Stream> OpenSerialAsync(string machine, RunDirectory run, CancellationToken cancellation)
    {
        lock (sync)
        {
            if (serial?.Join() is { } viewer)
                return viewer;
        }

        // QEMU serves one connection and lets further ones wait: of two that are made at once, the second is given up again.
        var fresh = new SerialLine(await ConnectAsync(machine, run.Serial, HostChannelKind.Serial, cancellation));
        return Keep(machine, fresh, () =>
        {
            if (serial?.Join() is { } viewer)
            {
                fresh.Dispose();
                return viewer;
            }

            serial = fresh;
            return fresh.Join();
        });
    }

    private async Task<Stream> OpenScreenAsync(string machine, RunDirectory run, CancellationToken cancellation)
    {
        var screen = new Screen(await ConnectAsync(machine, run.Vnc, HostChannelKind.Vnc, cancellation), this);
        return Keep(machine, screen, () =>
        {
            screens.Add(screen);
            return screen;
        });
    }

    private Stream Keep(string machine, IDisposable console, Func<Stream?> keep)
    {
        lock (sync)
        {
            if (!closed && keep() is { } stream)
                return stream;
        }

        console.Dispose();
        throw new FaultException(closed
            ? new InvalidState(machine, "being migrated", "in no migration; open the console when it has moved")
            : new HostOperationFailed($"Opening a console of virtual machine '{machine}'", "QEMU closed it at once"));
    }

    private static async Task<Socket> ConnectAsync(string machine, string path, HostChannelKind kind, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new FaultException(new HostOperationFailed($"Opening the {kind} console of virtual machine '{machine}'", e.Message), e);
        }
    }

    private sealed class Screen(Socket socket, Consoles owner) : NetworkStream(socket, ownsSocket: true)
    {
        protected override void Dispose(bool disposing)
        {
            lock (owner.sync)
                owner.screens.Remove(this);
            base.Dispose(disposing);
        }
    }
}
