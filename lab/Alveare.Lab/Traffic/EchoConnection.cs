using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Alveare.Lab.Networks;

namespace Alveare.Lab.Traffic;

/// <summary>One TCP connection to a guest's echo service: sends a numbered line every ten milliseconds and compares every byte that
/// comes back with what it must be.</summary>
public sealed class EchoConnection : IAsyncDisposable
{
    /// <summary>A line is eight digits and a line feed.</summary>
    private const int LineLength = 9;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private readonly Socket _socket;
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _lock = new();
    private readonly Task _sending;
    private readonly Task _receiving;
    private long _sent;
    private long _received;
    private long _wrong;
    private long _lastAt;
    private TimeSpan _longestGap;
    private TaskCompletionSource _progress = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private EchoConnection(Socket socket)
    {
        _socket = socket;
        _lastAt = Stopwatch.GetTimestamp();
        _sending = SendAsync();
        _receiving = ReceiveAsync();
    }

    /// <summary>Bytes that came back.</summary>
    public long Received => Read(() => _received);

    /// <summary>Bytes that came back other than they were sent: wrong, doubled or out of order.</summary>
    public long Wrong => Read(() => _wrong);

    /// <summary>The longest silence since the last call of <see cref="RestartGap"/>, the present one included.</summary>
    public TimeSpan LongestGap => Read(() => Longer(_longestGap, Stopwatch.GetElapsedTime(_lastAt)));

    /// <summary>Why the connection ended, or null while it lives.</summary>
    public string? Broken { get; private set; }

    /// <summary>Connects from inside a namespace; tries again until the guest's service answers or <paramref name="bound"/> is over.</summary>
    public static async Task<EchoConnection> OpenAsync(string namespaceName, string address, TimeSpan bound)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var socket = NamespaceSocket.CreateTcp(namespaceName);
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            try
            {
                await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(address), 7), limit.Token);
                socket.NoDelay = true;
                return new EchoConnection(socket);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                socket.Dispose();
                if (clock.Elapsed > bound)
                    throw new LabException($"The echo service at {address} did not answer within {bound.TotalSeconds:0} s: {e.Message}", e);
                await Task.Delay(100);
            }
        }
    }

    public void RestartGap()
    {
        lock (_lock)
            _longestGap = TimeSpan.Zero;
    }

    /// <summary>Waits until <paramref name="bytes"/> more have come back, or the connection has ended, or <paramref name="bound"/> is over;
    /// answers whether they came.</summary>
    public async Task<bool> EchoedAsync(long bytes, TimeSpan bound)
    {
        var goal = Received + bytes;
        using var limit = new CancellationTokenSource(bound);
        while (true)
        {
            var progress = Volatile.Read(ref _progress).Task;
            if (Received >= goal)
                return true;
            if (Broken is not null)
                return false;
            try
            {
                await progress.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException)
            {
                return false;
            }
        }
    }

    /// <summary>Stops sending, waits for what is still under way, and answers how many bytes never came back.</summary>
    public async Task<long> FinishAsync(TimeSpan bound)
    {
        await _end.CancelAsync();
        await _sending;
        await EchoedAsync(Read(() => _sent - _received), bound);
        return Read(() => _sent - _received);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _socket.Dispose();
        await Task.WhenAll(_sending, _receiving);
        _end.Dispose();
    }

    private async Task SendAsync()
    {
        using var timer = new PeriodicTimer(Interval);
        try
        {
            for (long number = 0; ; number++)
            {
                await _socket.SendAsync(LineOf(number));
                lock (_lock)
                    _sent += LineLength;
                await timer.WaitForNextTickAsync(_end.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The end was asked for.
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Broken ??= e.Message;
        }
    }

    private async Task ReceiveAsync()
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await _socket.ReceiveAsync(buffer) is var count and > 0)
                Take(buffer.AsSpan(0, count));
            Broken ??= "the guest closed the connection";
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Broken ??= e.Message;
        }

        Volatile.Read(ref _progress).TrySetResult();
    }

    private void Take(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            var now = Stopwatch.GetTimestamp();
            _longestGap = Longer(_longestGap, Stopwatch.GetElapsedTime(_lastAt, now));
            _lastAt = now;
            foreach (var value in bytes)
            {
                if (value != LineOf(_received / LineLength)[(int)(_received % LineLength)])
                    _wrong++;
                _received++;
            }
        }

        Interlocked.Exchange(ref _progress, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    private static byte[] LineOf(long number) =>
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{number % 100_000_000:00000000}\n"));

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private T Read<T>(Func<T> value)
    {
        lock (_lock)
            return value();
    }
}
