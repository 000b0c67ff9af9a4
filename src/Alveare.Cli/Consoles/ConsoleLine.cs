using System.Net.WebSockets;
using Alveare.Cli.Running;

namespace Alveare.Cli.Consoles;

/// <summary>An open console of a machine: what is read here goes there, and what comes from there is written here.</summary>
internal sealed class ConsoleLine(WebSocket socket) : IDisposable
{
    private const int Piece = 16 * 1024;

    public static async Task<ConsoleLine> OpenAsync(Run run, string vm, string console) =>
        new(await run.AskAsync(c => c.OpenSocketAsync($"vms/{vm}/console/{console}", run.Interrupted)));

    /// <summary>Sends bytes; false when the line has ended.</summary>
    public async Task<bool> HasSentAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation)
    {
        try
        {
            await socket.SendAsync(bytes, WebSocketMessageType.Binary, endOfMessage: true, cancellation);
            return true;
        }
        catch (WebSocketException)
        {
            return false;
        }
    }

    /// <summary>Hands on what comes, until the center closes the line or it breaks; answers why.</summary>
    public async Task<ConsoleClose> ReadAsync(Func<ReadOnlyMemory<byte>, Task> write, CancellationToken cancellation)
    {
        var piece = new byte[Piece];
        try
        {
            while (await socket.ReceiveAsync(piece.AsMemory(), cancellation) is { MessageType: not WebSocketMessageType.Close } received)
                await write(piece.AsMemory(0, received.Count));
            return new ConsoleClose((int)(socket.CloseStatus ?? 0), socket.CloseStatusDescription ?? "The center closed the console.");
        }
        catch (WebSocketException)
        {
            return new ConsoleClose(0, "The connection to the center broke.");
        }
    }

    /// <summary>Says good-bye, if the other end still listens.</summary>
    public async Task CloseAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, patience.Token);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    public void Dispose() => socket.Dispose();
}
