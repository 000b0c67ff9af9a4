using System.Net.Sockets;
using System.Text.Json;
using Alveare.Kvm.Qmp;

namespace Alveare.Kvm.Guest;

/// <summary>The guest agent did not answer as its protocol says: it is not there, hangs, or is not what it should be.</summary>
public class AgentException(string reason) : Exception(reason);

/// <summary>The connection to the guest agent ended: QEMU, which holds its other end for as long as it runs, is gone.</summary>
public sealed class AgentEndedException(string reason) : AgentException(reason);

/// <summary>One short conversation with the agent inside a guest, over its virtio port.</summary>
/// <remarks>Whatever comes from there was written by the guest: sizes are bounded, every wait is bounded by the caller's token, and
/// anything that is not an answer ends the conversation. Protocol: QEMU's <c>docs/interop/qemu-ga.rst</c>.</remarks>
public sealed class AgentConnection : IDisposable
{
    /// <summary>Everything a guest may say in one conversation.</summary>
    public const int MaxBytes = 256 * 1024;

    // A byte that JSON never has: it makes the agent forget half a command, and marks where the answer to a synchronization begins.
    private const byte Sentinel = 0xff;

    private readonly Socket socket;
    private readonly byte[] buffer = new byte[16 * 1024];
    private int start;
    private int end;
    private int taken;

    private AgentConnection(Socket socket) => this.socket = socket;

    /// <summary>Connects and makes sure that the next answer belongs to the next command.</summary>
    public static async Task<AgentConnection> ConnectAsync(string path, CancellationToken cancellation)
    {
        var connection = new AgentConnection(await OpenAsync(path, cancellation));
        try
        {
            await connection.SynchronizeAsync(cancellation);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Sends a command without waiting for an answer.</summary>
    public async Task SendAsync(string command, object? arguments, CancellationToken cancellation)
    {
        var request = new Dictionary<string, object> { ["execute"] = command };
        if (arguments is not null)
            request["arguments"] = arguments;
        await WriteAsync([.. JsonSerializer.SerializeToUtf8Bytes(request), (byte)'\n'], cancellation);
    }

    /// <summary>What the command that was sent returned, or null when the agent refused it.</summary>
    public async Task<JsonElement?> ReadAnswerAsync(CancellationToken cancellation)
    {
        var answer = TryParse(await ReadUntilAsync((byte)'\n', cancellation)) ?? throw new AgentException("its answer is not JSON");
        if (answer.ValueKind != JsonValueKind.Object)
            throw new AgentException("its answer is not an object");
        return answer.TryGetProperty("return", out var result) ? result : null;
    }

    public void Dispose() => socket.Dispose();

    private static async Task<Socket> OpenAsync(string path, CancellationToken cancellation)
    {
        try
        {
            return await QemuSocket.ConnectAsync(path, cancellation);
        }
        catch (SocketException e)
        {
            throw new AgentException(e.Message);
        }
    }

    private async Task SynchronizeAsync(CancellationToken cancellation)
    {
        var id = Random.Shared.Next(1, int.MaxValue);
        await WriteAsync([Sentinel], cancellation);
        await SendAsync("guest-sync-delimited", new { id }, cancellation);
        while (true)
        {
            // Answers to an earlier conversation may still come, and even an earlier synchronization's.
            await ReadUntilAsync(Sentinel, cancellation);
            if (TryParse(await ReadUntilAsync((byte)'\n', cancellation)) is { ValueKind: JsonValueKind.Object } answer
                && answer.TryGetProperty("return", out var returned)
                && returned.ValueKind == JsonValueKind.Number && returned.TryGetInt32(out var number) && number == id)
            {
                return;
            }
        }
    }

    private async Task WriteAsync(byte[] content, CancellationToken cancellation)
    {
        try
        {
            for (var sent = 0; sent < content.Length;)
                sent += await socket.SendAsync(content.AsMemory(sent), cancellation);
        }
        catch (SocketException e)
        {
            throw new AgentException(e.Message);
        }
    }

    /// <summary>The bytes before the next <paramref name="mark"/>.</summary>
    private async Task<byte[]> ReadUntilAsync(byte mark, CancellationToken cancellation)
    {
        using var found = new MemoryStream();
        while (true)
        {
            var at = buffer.AsSpan(start, end - start).IndexOf(mark);
            var length = at < 0 ? end - start : at;
            found.Write(buffer, start, length);
            start += length;
            if (at >= 0)
            {
                start++;
                return found.ToArray();
            }

            await FillAsync(cancellation);
        }
    }

    private async Task FillAsync(CancellationToken cancellation)
    {
        try
        {
            start = 0;
            end = await socket.ReceiveAsync(buffer, cancellation);
        }
        catch (SocketException e)
        {
            throw new AgentEndedException(e.Message);
        }

        taken += end;
        if (end == 0)
            throw new AgentEndedException("the connection ended");
        if (taken > MaxBytes)
            throw new AgentException($"it said more than {MaxBytes} bytes");
    }

    private static JsonElement? TryParse(byte[] line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
