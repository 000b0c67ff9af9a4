using System.Text;
using Alveare.Core.Hosts;

namespace Alveare.Kvm.Machines;

/// <summary>One end of a <see cref="SerialLine"/>, with room for what its reader has not read yet.</summary>
internal sealed class SerialViewer(SerialLine line) : ChannelStream
{
    private const int Room = 64 * 1024;

    private readonly Lock sync = new();
    private readonly byte[] unread = new byte[Room];
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int start;
    private int count;
    private long lost;
    private bool ended;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            Task wait;
            lock (sync)
            {
                if (lost > 0)
                    return TakeNotice(buffer.Span);
                if (count > 0)
                    return Take(buffer.Span);
                if (ended)
                    return 0;
                wait = changed.Task;
            }

            await wait.WaitAsync(cancellationToken);
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        line.WriteAsync(buffer, cancellationToken);

    /// <summary>Adds what the guest wrote; the oldest bytes make room.</summary>
    internal void Put(ReadOnlySpan<byte> bytes)
    {
        lock (sync)
        {
            var excess = Math.Max(0, count + bytes.Length - Room);
            lost += excess;
            start = (start + excess) % Room;
            count -= excess;
            var first = (start + count) % Room;
            var head = Math.Min(bytes.Length, Room - first);
            bytes[..head].CopyTo(unread.AsSpan(first));
            bytes[head..].CopyTo(unread);
            count += bytes.Length;
            Signal();
        }
    }

    internal void End()
    {
        lock (sync)
        {
            ended = true;
            Signal();
        }
    }

    protected override void Dispose(bool disposing)
    {
        End();
        line.Leave(this);
        base.Dispose(disposing);
    }

    private int Take(Span<byte> buffer)
    {
        var taken = Math.Min(Math.Min(buffer.Length, count), Room - start);
        unread.AsSpan(start, taken).CopyTo(buffer);
        start = (start + taken) % Room;
        count -= taken;
        return taken;
    }

    private int TakeNotice(Span<byte> buffer)
    {
        var notice = Encoding.ASCII.GetBytes($"\r\n[{lost} bytes are missing here: this viewer is too slow]\r\n");
        var taken = Math.Min(notice.Length, buffer.Length);
        notice.AsSpan(0, taken).CopyTo(buffer);
        lost = 0;
        return taken;
    }

    private void Signal()
    {
        var before = changed;
        changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        before.TrySetResult();
    }
}
