using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text.Json;

namespace Alveare.Kvm.Qmp;

/// <summary>One connection to the control socket of one QEMU: commands with answers, and events in the order QEMU sent them.</summary>
/// <remarks>The end of the connection (<see cref="Closed"/>) is how the death of the process is noticed: the kernel closes its sockets
/// whatever it died of. Event handlers run on the reader, one after the other, and must not wait for an answer of the same connection.
/// Commands bear no id, for QEMU answers them in their order (but for those out of band, which are not used): it reads its control socket
/// byte by byte, each with a turn of its main loop (7.2: monitor_can_read, about 20 us), so a command's length is its price.</remarks>
public sealed class QmpConnection : IAsyncDisposable
{
    /// <summary>How long QEMU may take for an answer; its main loop blocks for storage, so this is generous.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(30);

    private readonly Socket socket;
    private readonly NetworkStream stream;
    private readonly PipeReader reader;

    // Who waits for the answers to come, oldest first. Null once the connection has ended.
    private Queue<TaskCompletionSource<JsonElement>>? pending = new();
    private readonly Lock sync = new();
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly TaskCompletionSource closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private QmpConnection(Socket socket)
    {
        this.socket = socket;
        stream = new NetworkStream(socket, ownsSocket: true);
        reader = PipeReader.Create(stream);
    }

    /// <summary>Every event from now on.</summary>
    public event Action<QmpEvent>? EventReceived;

    /// <summary>Completes when the connection has ended, for whatever reason; never faults.</summary>
    public Task Closed => closed.Task;

    /// <summary>Connects, takes the greeting and negotiates. <paramref name="onEvent"/> misses no event after negotiation.</summary>
    /// <param name="patience">How long all of this may take.</param>
    /// <exception cref="SocketException">Nobody listens there.</exception>
    /// <exception cref="QmpClosedException">The process ended before it greeted, or hangs.</exception>
    public static async Task<QmpConnection> ConnectAsync(
        string path,
        Action<QmpEvent>? onEvent,
        TimeSpan patience,
        CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        var connection = new QmpConnection(socket);
        connection.EventReceived += onEvent;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(patience);
        try
        {
            if (await connection.ReadMessageAsync(limit.Token) is not { } greeting || !greeting.TryGetProperty("QMP", out _))
                throw new QmpClosedException("QEMU closed its control socket without a greeting");
            _ = connection.ReadLoopAsync();
            await connection.ExecuteAsync("qmp_capabilities", cancellation: limit.Token);
            return connection;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            await connection.DisposeAsync();
            throw new QmpClosedException($"QEMU did not greet in {patience.TotalSeconds} s");
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            await connection.DisposeAsync();
            throw new QmpClosedException($"QEMU broke its control socket off before it greeted: {e.Message}");
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends a command and waits for what it returns.</summary>
    /// <exception cref="QmpException">QEMU refused.</exception>
    /// <exception cref="QmpClosedException">The connection ended, or no answer came within <paramref name="timeout"/>.</exception>
    public async Task<JsonElement> ExecuteAsync(
        string command,
        object? arguments = null,
        TimeSpan? timeout = null,
        CancellationToken cancellation = default)
    {
        try
        {
            // One that is given up stays in the queue, for its answer to be dropped.
            var answer = await WriteAsync(command, arguments, cancellation);
            var result = await answer.WaitAsync(timeout ?? DefaultTimeout, cancellation);
            return result.TryGetProperty("error", out var error) ? throw Refusal(command, error) : result.GetProperty("return");
        }
        catch (TimeoutException)
        {
            throw new QmpClosedException($"QEMU did not answer '{command}' in {(timeout ?? DefaultTimeout).TotalSeconds} s");
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            throw GoneDuring(command);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Shutting the socket down ends the read loop, which fails everything that still waits.
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // QEMU was faster.
        }

        await stream.DisposeAsync();
        Close();
    }

    private static QmpException Refusal(string command, JsonElement error) =>
        new(command, error.GetProperty("class").GetString() ?? "", error.GetProperty("desc").GetString() ?? "");

    private static QmpClosedException GoneDuring(string command) => new($"QEMU ended during '{command}'");

    /// <summary>Sends a command; answers the task of its answer.</summary>
    private async Task<Task<JsonElement>> WriteAsync(string command, object? arguments, CancellationToken cancellation)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("execute", command);
            if (arguments is not null)
            {
                json.WritePropertyName("arguments");
                JsonSerializer.Serialize(json, arguments, arguments.GetType());
            }

            json.WriteEndObject();
        }

        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        await writing.WaitAsync(cancellation);
        try
        {
            lock (sync)
                (pending ?? throw GoneDuring(command)).Enqueue(answer);
            // Not cancellable once begun: half a command would spoil the connection for everybody.
            await stream.WriteAsync(buffer.WrittenMemory, CancellationToken.None);
        }
        finally
        {
            writing.Release();
        }

        return answer.Task;
    }

    private async Task ReadLoopAsync()
    {
        try
        {
            while (await ReadMessageAsync(CancellationToken.None) is { } message)
                Dispatch(message);
        }
        catch (Exception e) when (e is IOException or JsonException or ObjectDisposedException or InvalidOperationException)
        {
            // A connection that breaks or talks nonsense is closed like one that ends.
        }
        finally
        {
            Close();
        }
    }

    private void Dispatch(JsonElement message)
    {
        if (message.TryGetProperty("event", out var name))
            EventReceived?.Invoke(new QmpEvent(name.GetString() ?? "", message.TryGetProperty("data", out var data) ? data : default));
        else if (Next() is { } answer)
            answer.TrySetResult(message);
    }

    private void Close()
    {
        closed.TrySetResult();
        Queue<TaskCompletionSource<JsonElement>> unanswered;
        lock (sync)
        {
            unanswered = pending ?? [];
            pending = null;
        }

        foreach (var answer in unanswered)
        {
            answer.TrySetException(new QmpClosedException("QEMU ended before it answered"));
            // Nobody may be waiting any more.
            _ = answer.Task.Exception;
        }
    }

    private TaskCompletionSource<JsonElement>? Next()
    {
        lock (sync)
            return pending is { Count: > 0 } ? pending.Dequeue() : null;
    }

    /// <summary>The next line as JSON, or null at the end.</summary>
    private async Task<JsonElement?> ReadMessageAsync(CancellationToken cancellation)
    {
        while (true)
        {
            var read = await reader.ReadAsync(cancellation);
            var buffer = read.Buffer;
            if (buffer.PositionOf((byte)'\n') is { } end)
            {
                var message = Parse(buffer.Slice(0, end));
                reader.AdvanceTo(buffer.GetPosition(1, end));
                return message;
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            if (read.IsCompleted)
                return null;
        }
    }

    private static JsonElement Parse(ReadOnlySequence<byte> line)
    {
        using var document = JsonDocument.Parse(line);
        return document.RootElement.Clone();
    }
}
