using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Alveare.Cli.Client;
using Alveare.Cli.Running;

namespace Alveare.Cli.Consoles;

/// <summary><c>vm vnc</c>: a port of this machine that a VNC viewer connects to.</summary>
internal static class VncCommand
{
    // Where VNC's displays begin, and how many of them are tried.
    private const int FirstPort = 5900;
    private const int Displays = 100;

    public static Command New(CliCommands commands)
    {
        var vm = Takes.Existing(commands, "vm");
        var port = Takes.Number("--port", $"Port to listen on; the first free one from {FirstPort} by default");
        return commands.New("vnc", "Open a port on this machine, for a VNC viewer, that shows a machine's screen; Ctrl-C closes it", [vm, port], async run =>
        {
            var id = await run.IdOfAsync("vm", run.Value(vm));
            // What is in the way is said now, and not to the viewer, which has no words for it.
            using (var tried = await ConsoleLine.OpenAsync(run, id, "vnc"))
                await tried.CloseAsync();
            using var listener = Listen(run.Value(port));
            var end = (IPEndPoint)listener.LocalEndpoint;
            await run.Environment.Out.WriteLineAsync($"The screen of '{run.Value(vm)}' is at {end} (vncviewer {end.Address}::{end.Port}); Ctrl-C ends this.");
            await run.Environment.Out.FlushAsync(run.Interrupted);
            while (true)
                _ = ServeAsync(run, id, await listener.AcceptTcpClientAsync(run.Interrupted));
        });
    }

    private static TcpListener Listen(int? wanted)
    {
        foreach (var port in wanted is { } one ? [one] : Enumerable.Range(FirstPort, Displays))
        {
            if (port is < 0 or > IPEndPoint.MaxPort)
                throw new UsageException($"--port is {port}, expected 1 to {IPEndPoint.MaxPort}.");
            // This machine alone: whoever reaches the port has the machine's screen and keyboard.
            var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return listener;
            }
            catch (SocketException e)
            {
                listener.Dispose();
                if (wanted is not null)
                    throw new UsageException($"Port {port} cannot be listened on: {e.Message}.");
            }
        }

        throw new UsageException($"No port from {FirstPort} to {FirstPort + Displays - 1} is free: give --port.");
    }

    private static async Task ServeAsync(Run run, string id, TcpClient viewer)
    {
        using (viewer)
        {
            try
            {
                using var line = await ConsoleLine.OpenAsync(run, id, "vnc");
                using var over = CancellationTokenSource.CreateLinkedTokenSource(run.Interrupted);
                var stream = viewer.GetStream();
                var reading = line.ReadAsync(piece => stream.WriteAsync(piece, over.Token).AsTask(), over.Token);
                var sending = SendAsync(stream, line, over.Token);
                if (await Task.WhenAny(reading, sending) == reading)
                    await run.Environment.Error.WriteLineAsync($"alveare: {(await reading).Message}");
                else
                    await line.CloseAsync();
                await over.CancelAsync();
                await Task.WhenAll(reading, sending);
            }
            catch (Exception e) when (e is RestFaultException or NotReachableException)
            {
                await run.Environment.Error.WriteLineAsync($"alveare: {e.Message}");
            }
            catch (Exception e) when (e is IOException or OperationCanceledException)
            {
                // The viewer has gone, or all of this ends.
            }
        }
    }

    private static async Task SendAsync(NetworkStream viewer, ConsoleLine line, CancellationToken cancellation)
    {
        var piece = new byte[16 * 1024];
        while (await viewer.ReadAsync(piece, cancellation) is > 0 and var count)
        {
            if (!await line.HasSentAsync(piece.AsMemory(0, count), cancellation))
                return;
        }
    }
}
