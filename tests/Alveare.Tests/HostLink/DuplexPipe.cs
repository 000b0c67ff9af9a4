using System.IO.Pipelines;
using Alveare.Core.Hosts;

namespace Alveare.Tests.HostLink;

/// <summary>Two streams, each of which reads what the other writes.</summary>
internal sealed class DuplexPipe(Pipe read, Pipe write) : ChannelStream
{
    private readonly Stream _reader = read.Reader.AsStream();
    private readonly Stream _writer = write.Writer.AsStream();

    public static (Stream Near, Stream Far) Create()
    {
        var (there, back) = (new Pipe(), new Pipe());
        return (new DuplexPipe(back, there), new DuplexPipe(there, back));
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _reader.ReadAsync(buffer, cancellationToken);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await _writer.WriteAsync(buffer, cancellationToken);
        await _writer.FlushAsync(cancellationToken);
    }

    protected override void Dispose(bool disposing)
    {
        _writer.Dispose();
        _reader.Dispose();
        base.Dispose(disposing);
    }
}
