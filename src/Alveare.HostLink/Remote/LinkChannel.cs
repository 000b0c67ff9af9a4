using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Alveare.HostLink.Messages;
using Alveare.Model.Faults;
using Grpc.Net.Client;

namespace Alveare.HostLink.Remote;

/// <summary>One connection to a host, made when first used and again whenever it broke.</summary>
internal sealed class LinkChannel : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _superseded = new();
    private readonly TaskCompletionSource<DateTimeOffset> _peerExpiry = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly GrpcChannel _channel;
    private readonly X509Certificate2? _own;
    private int _uses;
    private bool _isClosed;

    /// <param name="serverName">Asked for in the TLS greeting: it decides which of its certificates the host shows.</param>
    /// <param name="own">The client certificate, or null to join. Disposed with the channel.</param>
    /// <param name="check">Answers with a fault for a peer that is not the one meant.</param>
    public LinkChannel(
        LinkAddress address, string serverName, X509Certificate2? own, Func<X509Certificate2, Fault?> check, HostLinkOptions options)
    {
        _own = own;
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = (_, cancellation) => address.ConnectAsync(cancellation),
            ConnectTimeout = options.ConnectTimeout,
            EnableMultipleHttp2Connections = false,
            KeepAlivePingDelay = options.PingAfter,
            KeepAlivePingTimeout = options.PingTimeout,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            UseProxy = false,
            UseCookies = false,
            SslOptions = new SslClientAuthenticationOptions
            {
                EnabledSslProtocols = SslProtocols.Tls13,
                // A resumed session would skip showing the client certificate.
                AllowTlsResume = false,
                LocalCertificateSelectionCallback = (_, _, _, _, _) => own!,
                RemoteCertificateValidationCallback = (_, certificate, _, _) => IsPeer(certificate, check),
            },
        };
        _channel = GrpcChannel.ForAddress($"https://{serverName}:{address.Port}", new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = options.MaxAnswerBytes,
            MaxSendMessageSize = options.MaxRequestBytes,
        });
        Client = new Link.LinkClient(_channel);
    }

    public Link.LinkClient Client { get; }

    public X509Certificate2? Own => _own;

    /// <summary>When the host's certificate ends; known once a connection was made.</summary>
    public Task<DateTimeOffset> PeerExpiry => _peerExpiry.Task;

    /// <summary>Cancelled when a newer channel took this one's place.</summary>
    public CancellationToken Superseded => _superseded.Token;

    /// <summary>Keeps the channel open until the answer is disposed, or null when it is closed already.</summary>
    public IDisposable? Use()
    {
        lock (_lock)
        {
            if (_isClosed)
                return null;
            _uses++;
            return new Lease(this);
        }
    }

    /// <summary>Tells watches to move on; closes when the last use ends, because a running command must not be cut off.</summary>
    public void Supersede()
    {
        using (Use())
            _superseded.Cancel();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_isClosed)
                return;
            _isClosed = true;
        }

        _channel.Dispose();
        _own?.Dispose();
    }

    private bool IsPeer(X509Certificate? certificate, Func<X509Certificate2, Fault?> check)
    {
        if (certificate is not X509Certificate2 peer)
            return false;
        if (check(peer) is { } fault)
            throw new FaultException(fault);
        _peerExpiry.TrySetResult(peer.NotAfter);
        return true;
    }

    private void EndUse()
    {
        bool isLast;
        lock (_lock)
            isLast = --_uses == 0 && _superseded.IsCancellationRequested;
        if (isLast)
            Dispose();
    }

    private sealed class Lease(LinkChannel channel) : IDisposable
    {
        private LinkChannel? _channel = channel;

        public void Dispose() => Interlocked.Exchange(ref _channel, null)?.EndUse();
    }
}
