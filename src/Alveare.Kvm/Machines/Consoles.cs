using System.Net.Sockets;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Machines;

/// <summary>The consoles of one running machine, which end with its QEMU. QEMU serves several VNC viewers itself; the serial line is shared here.</summary>
public sealed class Consoles(RunDirectory run)
{
    private readonly Lock sync = new();
    private SerialLine? serial;

    public Task<Stream> OpenAsync(string machine, HostChannelKind kind, CancellationToken cancellation) =>
        kind == HostChannelKind.Serial ? OpenSerialAsync(machine, cancellation) : OpenScreenAsync(machine, cancellation);

    private async Task<Stream> OpenSerialAsync(string machine, CancellationToken cancellation)
    {
        lock (sync)
        {
            if (serial?.Join() is { } viewer)
                return viewer;
            // While the kernel closes the files of a QEMU that was killed, it may still accept a connection, and closes it at once.
            if (serial is { IsEndedByQemu: true })
                throw Refused(machine, "its QEMU is ending");
        }

        // QEMU serves one connection and lets further ones wait: of two that are made at once, the second is given up again.
        var fresh = new SerialLine(await ConnectAsync(machine, run.Serial, HostChannelKind.Serial, cancellation));
        lock (sync)
        {
            if (serial?.Join() is { } viewer)
            {
                fresh.Dispose();
                return viewer;
            }

            serial = fresh;
            return fresh.Join() ?? throw Refused(machine, "QEMU closed it at once");
        }
    }

    private static FaultException Refused(string machine, string why) =>
        new(new HostOperationFailed($"Opening the serial console of virtual machine '{machine}'", why));

    private async Task<Stream> OpenScreenAsync(string machine, CancellationToken cancellation) =>
        new NetworkStream(await ConnectAsync(machine, run.Vnc, HostChannelKind.Vnc, cancellation), ownsSocket: true);

    private static async Task<Socket> ConnectAsync(string machine, string path, HostChannelKind kind, CancellationToken cancellation)
    {
        try
        {
            return await QemuSocket.ConnectAsync(path, cancellation);
        }
        catch (SocketException e)
        {
            throw new FaultException(new HostOperationFailed($"Opening the {kind} console of virtual machine '{machine}'", e.Message), e);
        }
    }
}
