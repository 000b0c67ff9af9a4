using Alveare.Core.Hosts;
using Alveare.Core.Waiting;
using Alveare.Model.Faults;

namespace Alveare.Simulation.Sites;

/// <summary>A console whose guest greets and then echoes what is written; it holds a bounded number of bytes that nobody has read yet.</summary>
internal sealed class SimulatedConsole : ChannelStream
{
    private const int Room = 16 * 1024;

    private readonly Lock _gate = new();
    private readonly Queue<byte> _unread;
    private readonly Action<SimulatedConsole> _closed;
    private TaskCompletionSource _changed = NewSignal();
    private bool _isEnded;
    private Fault? _lost;

    /// <param name="ended">The end of the process behind it.</param>
    /// <param name="closed">Called when this end is disposed.</param>
    public SimulatedConsole(byte[] greeting, Task ended, Action<SimulatedConsole> closed)
    {
        (_unread, _closed) = (new Queue<byte>(greeting), closed);
        _ = EndWithAsync(ended);
    }

    /// <summary>The way to the host broke.</summary>
    public void Fail(Fault fault) => Change(() => _lost = fault);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                ThrowIfLost();
                if (_unread.Count > 0)
                    return Take(buffer.Span);
                if (_isEnded)
                    return 0;
                changed = _changed.Task;
            }

            await changed.OrCancelledAsync(cancellationToken);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            Task changed;
            lock (_gate)
            {
                ThrowIfLost();
                if (_isEnded)
                    throw new IOException("The console has ended.");
                var count = Math.Min(Room - _unread.Count, buffer.Length);
                foreach (var value in buffer.Span[..count])
                    _unread.Enqueue(value);
                buffer = buffer[count..];
                if (count > 0)
                    Signal();
                changed = _changed.Task;
            }

            if (!buffer.IsEmpty)
                await changed.OrCancelledAsync(cancellationToken);
        }
    }

    protected override void Dispose(bool disposing)
    {
        Change(() => _isEnded = true);
        _closed(this);
        base.Dispose(disposing);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task EndWithAsync(Task ended)
    {
        await ended;
        Change(() => _isEnded = true);
    }

    private void Change(Action change)
    {
        lock (_gate)
        {
            change();
            Signal();
        }
    }

    private void Signal()
    {
        var changed = _changed;
        _changed = NewSignal();
        changed.TrySetResult();
    }

    private int Take(Span<byte> buffer)
    {
        var count = Math.Min(buffer.Length, _unread.Count);
        for (var n = 0; n < count; n++)
            buffer[n] = _unread.Dequeue();
        Signal();
        return count;
    }

    private void ThrowIfLost()
    {
        if (_lost is { } fault)
            throw new FaultException(fault);
    }
}
