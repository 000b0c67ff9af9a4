using System.IO.Pipelines;

namespace Alveare.Tests.HostLink;

/// <summary>Two streams, each of which reads what the other writes.</summary>
internal sealed class DuplexPipe(Pipe read, Pipe write) : Stream
{
    private readonly Stream _reader = read.Reader.AsStream();
    private readonly Stream _writer = write.Writer.AsStream();

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

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

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _writer.Dispose();
        _reader.Dispose();
        base.Dispose(disposing);
    }
}
