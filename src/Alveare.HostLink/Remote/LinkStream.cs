using Alveare.Core.Hosts;
using Alveare.HostLink.Messages;
using Alveare.Model.Faults;
using Google.Protobuf;
using Grpc.Core;

namespace Alveare.HostLink.Remote;

/// <summary>A channel of a machine elsewhere as a byte stream. Its end is the end of the far stream; a lost host is a fault.</summary>
internal sealed class LinkStream(AsyncDuplexStreamingCall<OpenInput, OpenOutput> call, string hostName, IDisposable lease) : ChannelStream
{
    private ReadOnlyMemory<byte> _rest;
    private bool _isEnded;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_rest.IsEmpty && !_isEnded)
            await NextAsync(cancellationToken);
        var count = Math.Min(buffer.Length, _rest.Length);
        _rest[..count].CopyTo(buffer);
        _rest = _rest[count..];
        return count;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await call.RequestStream.WriteAsync(new OpenInput { Data = ByteString.CopyFrom(buffer.Span) }, cancellationToken);
        }
        catch (Exception e) when (Translated(e, cancellationToken) is { } fault)
        {
            throw new FaultException(fault, e);
        }
    }

    internal Task NameAsync(ByteString channel, CancellationToken cancellation) =>
        call.RequestStream.WriteAsync(new OpenInput { Channel = channel }, cancellation);

    /// <summary>Waits for the host to say that the channel is open.</summary>
    internal async Task OpenedAsync(CancellationToken cancellation)
    {
        await NextAsync(cancellation);
        if (_isEnded)
            throw new FaultException(new HostAnswerInvalid(hostName, "it closed a channel without opening it"));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            call.Dispose();
            lease.Dispose();
        }

        base.Dispose(disposing);
    }

    private async Task NextAsync(CancellationToken cancellation)
    {
        try
        {
            _isEnded = !await call.ResponseStream.MoveNext(cancellation);
        }
        catch (Exception e) when (Translated(e, cancellation) is { } fault)
        {
            throw new FaultException(fault, e);
        }

        if (_isEnded)
            return;
        if (call.ResponseStream.Current.Fault is { } message)
            throw new FaultException(message.ToFault(hostName));
        _rest = call.ResponseStream.Current.Data.Memory;
    }

    private Fault? Translated(Exception exception, CancellationToken cancellation) =>
        cancellation.IsCancellationRequested ? null : LinkFailure.ToFault(exception, hostName);
}
