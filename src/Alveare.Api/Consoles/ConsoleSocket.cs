using System.Net.WebSockets;
using System.Text;
using Alveare.Core.Consoles;
using Alveare.Model.Faults;
using Alveare.Wire.Rest;

namespace Alveare.Api.Consoles;

/// <summary>Carries bytes between a WebSocket and an open console, and says at the end why it ended.</summary>
/// <remarks>One piece each way is in memory: a viewer who does not read holds the host's stream back, and a guest that does not read
/// holds the viewer back.</remarks>
internal sealed class ConsoleSocket(WebSocket socket, OpenConsole console, Func<bool> isLoggedIn)
{
    public const string SubProtocol = "binary";

    /// <summary>How often a silent viewer is asked whether it is there, and whether its session still is.</summary>
    public static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(5);

    private const int Piece = 16 * 1024;

    // A close frame holds two bytes of code and this many of text (RFC 6455, section 5.5).
    private const int LongestReason = 123;

    public async Task RunAsync(CancellationToken aborted)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        var fromViewer = FromViewerAsync(over.Token);
        Task<ConsoleEnd?>[] ends = [ToViewerAsync(over.Token), fromViewer, WhileLoggedInAsync(over.Token)];
        try
        {
            if (await await Task.WhenAny(ends) is { } end)
                await SayAsync(end, fromViewer);
        }
        finally
        {
            await over.CancelAsync();
            await ((Task)Task.WhenAll(ends)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Null: the viewer has left.
    private async Task<ConsoleEnd?> ToViewerAsync(CancellationToken cancellation)
    {
        var piece = new byte[Piece];
        while (true)
        {
            int count;
            try
            {
                count = await console.Stream.ReadAsync(piece, cancellation);
            }
            catch (Exception e) when (e is FaultException or IOException)
            {
                count = 0;
            }

            if (count == 0)
                return await console.WhyEndedAsync();
            if (!await HasSentAsync(piece.AsMemory(0, count), cancellation))
                return null;
        }
    }

    private async Task<bool> HasSentAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellation)
    {
        try
        {
            await socket.SendAsync(piece, WebSocketMessageType.Binary, endOfMessage: true, cancellation);
            return true;
        }
        catch (WebSocketException)
        {
            return false;
        }
    }

    private async Task<ConsoleEnd?> FromViewerAsync(CancellationToken cancellation)
    {
        var piece = new byte[Piece];
        try
        {
            while (await socket.ReceiveAsync(piece.AsMemory(), cancellation) is { MessageType: not WebSocketMessageType.Close } received)
                await console.Stream.WriteAsync(piece.AsMemory(0, received.Count), cancellation);
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, cancellation);
            return null;
        }
        catch (WebSocketException)
        {
            return null;
        }
        catch (Exception e) when (e is FaultException or IOException)
        {
            return await console.WhyEndedAsync();
        }
    }

    private async Task<ConsoleEnd?> WhileLoggedInAsync(CancellationToken cancellation)
    {
        do
            await Task.Delay(KeepAlive, cancellation);
        while (isLoggedIn());
        return new ConsoleEnd(ConsoleEndKind.LoggedOut, "The session is over: log in again.");
    }

    private async Task SayAsync(ConsoleEnd end, Task fromViewer)
    {
        using var patience = new CancellationTokenSource(Farewell);
        try
        {
            await socket.CloseOutputAsync((WebSocketCloseStatus)CodeOf(end.Kind), Shortened(end.Message), patience.Token);
            // The viewer's answer: a connection that is cut at once could lose the reason on its way.
            await fromViewer.WaitAsync(patience.Token);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            // The viewer has left too, or does not read: nobody hears the reason.
        }
    }

    private static int CodeOf(ConsoleEndKind kind) => kind switch
    {
        ConsoleEndKind.Moving => ConsoleCloseCode.Moving,
        ConsoleEndKind.Off => ConsoleCloseCode.Off,
        ConsoleEndKind.Gone => ConsoleCloseCode.Gone,
        ConsoleEndKind.HostLost => ConsoleCloseCode.HostLost,
        ConsoleEndKind.LoggedOut => ConsoleCloseCode.LoggedOut,
        ConsoleEndKind.Closed => ConsoleCloseCode.Closed,
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private static string Shortened(string reason)
    {
        while (Encoding.UTF8.GetByteCount(reason) > LongestReason)
            reason = reason[..^2] + "…";
        return reason;
    }
}
