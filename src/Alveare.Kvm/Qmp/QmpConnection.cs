using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text.Json;

namespace Alveare.Kvm.Qmp;

/// <summary>A conversation with one QEMU over its control socket: commands with answers, and events in the order QEMU sent them.</summary>
/// <remarks>The end of the connection (<see cref="Closed"/>) is how the death of the process is noticed: the kernel closes its sockets
/// whatever it died of. Where the process lives the connection is made anew: QEMU 7.2 breaks it off when it cannot write (tcp_chr_write), as one for which
/// the kernel has no memory. Event handlers run on the reader, one after the other, and must not wait for an answer of the same connection.
/// Commands after the first bear no id, for QEMU answers them in their order (but for those out of band, which are not used): it reads its control socket
/// byte by byte, each with a turn of its main loop (7.2: monitor_can_read, about 20 us), so a command's length is its price.</remarks>
public sealed class QmpConnection : IAsyncDisposable
{
    /// <summary>How long QEMU may take for an answer; its main loop blocks for storage, so this is generous.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(30);

    /// <summary>The event, of our own, after the connection was made anew: what QEMU said in between is lost.</summary>
    public const string Reconnected = "ALVEARE_RECONNECTED";

    private static readonly TimeSpan GreetingTime = TimeSpan.FromSeconds(10);

    // One that closes its socket because it ends is gone within milliseconds.
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMilliseconds(256);

    private readonly string path;
    private Line line;

    // Who waits for the answers to come, oldest first. Null once the connection has ended.
    private Queue<TaskCompletionSource<JsonElement>>? pending = new();
    private readonly Lock sync = new();
    private readonly SemaphoreSlim writing = new(1, 1);
    private readonly TaskCompletionSource closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool isDisposed;

    private QmpConnection(string path, Line line)
    {
        this.path = path;
        this.line = line;
    }

    /// <summary>Every event from now on.</summary>
    public event Action<QmpEvent>? EventReceived;

    /// <summary>Completes when the connection has ended, for whatever reason; never faults.</summary>
    public Task Closed => closed.Task;

    /// <summary>Whether the process lives, so that a connection that breaks is made anew; none is while this is null.</summary>
    public Func<bool>? IsAlive { get; set; }

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
        var connection = new QmpConnection(path, await Line.OpenAsync(path, patience, cancellation));
        connection.EventReceived += onEvent;
        _ = connection.ReadLoopAsync();
        return connection;
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
            var answer = await WriteAsync(command, arguments, timeout ?? DefaultTimeout, cancellation);
            var result = await answer.WaitAsync(timeout ?? DefaultTimeout, cancellation);
            return result.TryGetProperty("error", out var error) ? throw Refusal(command, error) : Understand(command, result, r => r.GetProperty("return"));
        }
        catch (TimeoutException)
        {
            throw new QmpClosedException($"QEMU did not answer '{command}' in {(timeout ?? DefaultTimeout).TotalSeconds} s", isGone: false);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            throw GoneDuring(command);
        }
    }

    /// <summary>As the other one, for what <paramref name="read"/> makes of the answer.</summary>
    /// <exception cref="QmpException">QEMU refused, or its answer is not what it should be.</exception>
    public async Task<T> ExecuteAsync<T>(string command, Func<JsonElement, T> read, object? arguments = null, TimeSpan? timeout = null) =>
        Understand(command, await ExecuteAsync(command, arguments, timeout), read);

    public async ValueTask DisposeAsync()
    {
        isDisposed = true;
        // That ends the read loop, which fails everything that still waits.
        await line.DisposeAsync();
        Close();
    }

    private bool MayBeMadeAnew => !isDisposed && IsAlive?.Invoke() == true;

    private static QmpException Refusal(string command, JsonElement error) => Understand(
        command, error, e => new QmpException(command, e.GetProperty("class").GetString() ?? "", e.GetProperty("desc").GetString() ?? ""));

    /// <summary>Reads what QEMU said, which may be anything: one that was broken out of says what it likes.</summary>
    private static T Understand<T>(string command, JsonElement said, Func<JsonElement, T> read)
    {
        try
        {
            return read(said);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new QmpException(command, "", $"its answer makes no sense ({e.Message})");
        }
    }

    private static QmpClosedException GoneDuring(string command) => new($"QEMU ended during '{command}'");

    /// <summary>Sends a command; answers the task of its answer.</summary>
    private async Task<Task<JsonElement>> WriteAsync(string command, object? arguments, TimeSpan timeout, CancellationToken cancellation)
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
        if (!await writing.WaitAsync(timeout, cancellation))
            throw new TimeoutException();
        try
        {
            lock (sync)
                (pending ?? throw GoneDuring(command)).Enqueue(answer);
            // Not cancellable once begun: half a command would spoil the connection for everybody.
            await line.WriteAsync(buffer.WrittenMemory, CancellationToken.None);
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
            do
            {
                try
                {
                    while (await line.ReadAsync(CancellationToken.None) is { } message)
                        Dispatch(message);
                }
                catch (Exception e) when (e is IOException or JsonException or ObjectDisposedException or InvalidOperationException)
                {
                    // A connection that breaks or talks nonsense is treated like one that ends.
                }
            }
            while (await ReconnectAsync());
        }
        finally
        {
            Close();
        }
    }

    /// <summary>Makes the connection anew; false when there is nobody to talk to any more.</summary>
    private async Task<bool> ReconnectAsync()
    {
        await line.DisposeAsync();
        // Whoever has something to say waits until it is known whether anybody listens.
        await writing.WaitAsync();
        try
        {
            Fail(TakePending(keepsOn: true), isGone: !MayBeMadeAnew);
            for (var delay = FirstRetry; MayBeMadeAnew; delay = delay < LastRetry ? delay * 2 : LastRetry)
            {
                try
                {
                    line = await Line.OpenAsync(path, GreetingTime, CancellationToken.None);
                    EventReceived?.Invoke(new QmpEvent(Reconnected, default));
                    if (!isDisposed)
                        return true;
                    await line.DisposeAsync();
                }
                catch (Exception e) when (e is SocketException or QmpClosedException)
                {
                    await Task.Delay(delay);
                }
            }

            return false;
        }
        finally
        {
            writing.Release();
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
        Fail(TakePending(keepsOn: false), isGone: true);
    }

    private IEnumerable<TaskCompletionSource<JsonElement>> TakePending(bool keepsOn)
    {
        lock (sync)
        {
            var unanswered = pending ?? [];
            pending = keepsOn && pending is not null ? new() : null;
            return unanswered;
        }
    }

    private static void Fail(IEnumerable<TaskCompletionSource<JsonElement>> unanswered, bool isGone)
    {
        foreach (var answer in unanswered)
        {
            answer.TrySetException(new QmpClosedException(isGone ? "QEMU ended before it answered" : "QEMU broke its control connection off before it answered", isGone));
            // Nobody may be waiting any more.
            _ = answer.Task.Exception;
        }
    }

    private TaskCompletionSource<JsonElement>? Next()
    {
        lock (sync)
            return pending is { Count: > 0 } ? pending.Dequeue() : null;
    }

    /// <summary>One connection, negotiated.</summary>
    private sealed class Line : IAsyncDisposable
    {
        private static readonly byte[] Negotiation = """{"execute":"qmp_capabilities","id":0}"""u8.ToArray();

        // QEMU's longest answers have some hundred KiB.
        private const int MaxMessage = 4 << 20;

        // Of those that come before the negotiation's answer, where hardly any does.
        private const int MaxEarly = 64;

        private readonly Socket socket;
        private readonly NetworkStream stream;
        private readonly Queue<JsonElement> early = new();
        private readonly PipeReader reader;

        private Line(Socket socket)
        {
            this.socket = socket;
            stream = new NetworkStream(socket, ownsSocket: true);
            reader = PipeReader.Create(stream);
        }

        /// <exception cref="SocketException">Nobody listens there.</exception>
        /// <exception cref="QmpClosedException">It ended before it greeted, or hangs.</exception>
        public static async Task<Line> OpenAsync(string path, TimeSpan patience, CancellationToken cancellation)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(patience);
            var line = new Line(await QemuSocket.ConnectAsync(path, limit.Token));
            try
            {
                if (await line.ReadAsync(limit.Token) is not { } greeting || !greeting.TryGetProperty("QMP", out _))
                    throw new QmpClosedException("QEMU closed its control socket without a greeting");
                await line.WriteAsync(Negotiation, limit.Token);
                // Events may come before its answer, and so may the answer of a command of whoever was connected before.
                while (line.early.Count < MaxEarly && await line.ReadMessageAsync(limit.Token) is { } message)
                {
                    if (message.TryGetProperty("id", out _))
                        return line;
                    if (message.TryGetProperty("event", out _))
                        line.early.Enqueue(message);
                }

                throw new QmpClosedException("QEMU closed its control socket before it had negotiated");
            }
            catch (Exception e)
            {
                await line.DisposeAsync();
                throw e switch
                {
                    OperationCanceledException when !cancellation.IsCancellationRequested => new QmpClosedException($"QEMU did not greet in {patience.TotalSeconds} s", isGone: false),
                    IOException or JsonException or InvalidOperationException => new QmpClosedException($"QEMU broke its control socket off before it greeted: {e.Message}"),
                    _ => e,
                };
            }
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> command, CancellationToken cancellation) => stream.WriteAsync(command, cancellation);

        /// <summary>The next line as JSON, or null at the end.</summary>
        public async ValueTask<JsonElement?> ReadAsync(CancellationToken cancellation) =>
            early.TryDequeue(out var message) ? message : await ReadMessageAsync(cancellation);

        /// <exception cref="IOException">The line is longer than anything QEMU says.</exception>
        private async Task<JsonElement?> ReadMessageAsync(CancellationToken cancellation)
        {
            var looked = 0L;
            while (true)
            {
                var read = await reader.ReadAsync(cancellation);
                var buffer = read.Buffer;
                if (buffer.Slice(looked).PositionOf((byte)'\n') is { } end)
                {
                    var message = Parse(buffer.Slice(0, end));
                    reader.AdvanceTo(buffer.GetPosition(1, end));
                    return message;
                }

                looked = buffer.Length;
                if (looked > MaxMessage)
                    throw new IOException($"it says more than {MaxMessage} bytes in one line");
                reader.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted)
                    return null;
            }
        }

        public async ValueTask DisposeAsync()
        {
            try
            {
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // QEMU was faster.
            }

            await stream.DisposeAsync();
        }

        private static JsonElement Parse(ReadOnlySequence<byte> text)
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }
    }
}
