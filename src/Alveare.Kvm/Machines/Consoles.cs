using System.Net.Sockets;
using Alveare.Kvm.Qemu;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Machines;

/// <summary>The open consoles of one running machine.</summary>
/// <remarks>They are closed before a migration: a serial line whose reader does not read leaves a byte waiting in QEMU's UART, and
/// the destination, which has no reader, would wait for one for ever (QEMU 7.2, <c>serial_post_load</c>).</remarks>
public sealed class Consoles
{
    private readonly Lock sync = new();
    private readonly List<Console> open = [];
    private bool closed;

    public async Task<Stream> OpenAsync(string machine, RunDirectory run, HostChannelKind kind, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            var path = kind == HostChannelKind.Serial ? run.Serial : run.Vnc;
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new FaultException(new HostOperationFailed($"Opening the {kind} console of virtual machine '{machine}'", e.Message), e);
        }

        lock (sync)
        {
            if (!closed)
            {
                var console = new Console(socket, this);
                open.Add(console);
                return console;
            }
        }

        socket.Dispose();
        throw new FaultException(new InvalidState(machine, "being migrated", "in no migration; open the console when it has moved"));
    }

    /// <summary>Ends every open console and refuses new ones until <see cref="Reopen"/>.</summary>
    public void Close()
    {
        Console[] ending;
        lock (sync)
        {
            closed = true;
            ending = [.. open];
        }

        foreach (var console in ending)
            console.Dispose();
    }

    public void Reopen()
    {
        lock (sync)
            closed = false;
    }

    private sealed class Console(Socket socket, Consoles owner) : NetworkStream(socket, ownsSocket: true)
    {
        protected override void Dispose(bool disposing)
        {
            lock (owner.sync)
                owner.open.Remove(this);
            base.Dispose(disposing);
        }
    }
}
