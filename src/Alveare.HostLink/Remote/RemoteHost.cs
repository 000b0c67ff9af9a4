using System.Runtime.CompilerServices;
using Alveare.Core.Hosts;
using Alveare.HostLink.Messages;
using Alveare.HostLink.Trust;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Alveare.HostLink.Remote;

/// <summary>A host elsewhere, as its center sees it. Connects lazily, renews the host's certificate while it is watched.</summary>
internal sealed class RemoteHost : IHost
{
    private readonly LinkAddress _address;
    private readonly string _name;
    private readonly CenterAuthority _authority;
    private readonly HostLinkOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _disposed = new();
    private LinkChannel _channel;

    public RemoteHost(
        Model.Inventory.Host host, CenterAuthority authority, HostLinkOptions options, TimeProvider time, ILogger log)
    {
        (Id, _name, Fingerprint) = (host.Id, host.Name, host.Fingerprint);
        (_authority, _options, _time, _log) = (authority, options, time, log);
        _address = LinkAddress.Parse(host.Address);
        _channel = NewChannel();
    }

    public EntityId Id { get; }

    private string Fingerprint { get; }

    public async Task<HostSnapshot> ObserveAsync(CancellationToken cancellation)
    {
        using var use = Use(out var channel);
        return await TranslatedAsync(
            async () =>
            {
                using var call = channel.Client.ObserveAsync(new Nothing(), Call(cancellation));
                return ValueOf<HostSnapshot>(await InTimeAsync(call.ResponseAsync));
            },
            cancellation);
    }

    public async IAsyncEnumerable<HostChange> WatchAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _disposed.Token);
        var renewal = KeepRenewedAsync(stop.Token);
        try
        {
            // One turn per channel: a renewed certificate moves the watch to a new connection, which begins with a HostObserved again.
            while (true)
            {
                using var use = Use(out var channel);
                await using var watch = new RemoteWatch(this, channel, cancellation);
                while (await watch.NextAsync() is { } change)
                    yield return change;
            }
        }
        finally
        {
            await stop.CancelAsync();
            await renewal.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public async Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        using var use = Use(out var channel);
        return await TranslatedAsync(
            async () =>
            {
                using var call = channel.Client.Execute(new ExecuteRequest { Command = LinkJson.Write(command) }, Call(cancellation));
                while (await call.ResponseStream.MoveNext(cancellation))
                {
                    var answer = call.ResponseStream.Current;
                    if (answer.BodyCase != Answer.BodyOneofCase.Progress)
                        return ValueOf<HostReply>(answer);
                    progress?.Report(Read<HostProgress>(answer.Progress));
                }

                throw new FaultException(new HostAnswerInvalid(_name, "it ended a command without a reply"));
            },
            cancellation);
    }

    public async Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation)
    {
        var lease = Use(out var link);
        var stream = new LinkStream(link.Client.Open(Call(_disposed.Token)), _name, lease);
        try
        {
            return await TranslatedAsync(
                async () =>
                {
                    await stream.NameAsync(LinkJson.Write(channel), cancellation);
                    await stream.OpenedAsync(cancellation);
                    return stream;
                },
                cancellation);
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes the host forget this center.</summary>
    public async Task ReleaseAsync(CancellationToken cancellation)
    {
        using var use = Use(out var channel);
        await TranslatedAsync(
            async () =>
            {
                using var call = channel.Client.ReleaseAsync(new Nothing(), Call(cancellation));
                var answer = await InTimeAsync(call.ResponseAsync);
                return answer.Fault is { } fault ? throw new FaultException(fault.ToFault(_name)) : true;
            },
            cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        Volatile.Read(ref _channel).Dispose();
    }

    private static CallOptions Call(CancellationToken cancellation) => new(LinkProtocol.Headers(), cancellationToken: cancellation);

    // A deadline of gRPC is a date: where the clock is set back by an hour it would be waited for that much longer.
    private Task<T> InTimeAsync<T>(Task<T> answer) => answer.WaitAsync(_options.AnswerTimeout, _time);

    private IDisposable Use(out LinkChannel channel)
    {
        while (true)
        {
            channel = Volatile.Read(ref _channel);
            if (channel.Use() is { } use)
                return use;
            if (_disposed.IsCancellationRequested)
                throw new FaultException(new HostNotConnected(_name, "the connection was given up"));
        }
    }

    private LinkChannel NewChannel() =>
        new(_address, Certificates.DnsName(Id), _authority.NewClientCertificate(), WhyNotMyHost, _options);

    private Fault? WhyNotMyHost(System.Security.Cryptography.X509Certificates.X509Certificate2 peer)
    {
        if (_authority.WhyNotHost(peer, Id) is not { } why)
            return null;
        var actual = Certificates.Fingerprint(peer);
        // TLS has proven that the peer holds the key, and the key is who it is: the same machine, under somebody else now.
        if (Certificates.HostOf(peer) != Id)
            return new HostIdentityChanged(_name, Fingerprint, actual);
        if (actual == Fingerprint)
            return new HostNotConnected(_name, "it belongs to no center any more; join it again");
        return _authority.HasIssued(peer)
            ? new HostNotConnected(_name, $"its certificate is not valid: {why}")
            : new HostOwnedByAnotherCenter(_name, peer.GetNameInfo(System.Security.Cryptography.X509Certificates.X509NameType.SimpleName, forIssuer: true));
    }

    private async Task KeepRenewedAsync(CancellationToken cancellation)
    {
        while (true)
        {
            var channel = Volatile.Read(ref _channel);
            var hostDue = _authority.RenewalDue(await channel.PeerExpiry.WaitAsync(cancellation));
            var ownDue = _authority.RenewalDue(channel.Own!.NotAfter);
            await DelayUntilAsync(hostDue < ownDue ? hostDue : ownDue, cancellation);
            try
            {
                await RenewAsync(channel, cancellation);
                Interlocked.Exchange(ref _channel, NewChannel()).Supersede();
                _log.LogInformation("Renewed the certificate of host {Host}", _name);
            }
            catch (FaultException e)
            {
                _log.LogWarning("The certificate of host {Host} could not be renewed yet: {Reason}", _name, e.Message);
                await Task.Delay(_options.CertificateLifetime / 100, _time, cancellation);
            }
        }
    }

    private async Task RenewAsync(LinkChannel channel, CancellationToken cancellation)
    {
        var offer = await RenewAsync(channel, new RenewRequest(), cancellation);
        var certificate = _authority.IssueForHost(offer.SigningRequest.ToByteArray(), _name);
        await RenewAsync(channel, new RenewRequest { Certificate = certificate }, cancellation);
    }

    private Task<EnrolmentAnswer> RenewAsync(LinkChannel channel, RenewRequest request, CancellationToken cancellation) => TranslatedAsync(
        async () =>
        {
            using var call = channel.Client.RenewAsync(request, Call(cancellation));
            var answer = await InTimeAsync(call.ResponseAsync);
            return answer.Fault is { } fault ? throw new FaultException(fault.ToFault(_name)) : answer;
        },
        cancellation);

    private async Task DelayUntilAsync(DateTimeOffset due, CancellationToken cancellation)
    {
        // Dates of certificates: a clock that is set is noticed within a day. A timer takes 49 days at most.
        while (due - _time.GetUtcNow() is var rest && rest > TimeSpan.Zero)
            await Task.Delay(rest < TimeSpan.FromDays(1) ? rest : TimeSpan.FromDays(1), _time, cancellation);
    }

    private T ValueOf<T>(Answer answer)
        where T : class => answer.BodyCase switch
        {
            Answer.BodyOneofCase.Value => Read<T>(answer.Value),
            Answer.BodyOneofCase.Fault => throw new FaultException(answer.Fault.ToFault(_name)),
            _ => throw new FaultException(new HostAnswerInvalid(_name, "it sent an answer without a value")),
        };

    private T Read<T>(ByteString json)
        where T : class => LinkJson.Read<T>(json, "This center", reason => new HostAnswerInvalid(_name, reason));

    private async Task<T> TranslatedAsync<T>(Func<Task<T>> work, CancellationToken cancellation)
    {
        try
        {
            return await work();
        }
        catch (Exception e) when (e is RpcException && cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellation);
        }
        catch (Exception e) when (LinkFailure.ToFault(e, _name) is { } fault)
        {
            throw new FaultException(fault, e);
        }
    }

    /// <summary>The part of a watch that goes over one channel.</summary>
    private sealed class RemoteWatch : IAsyncDisposable
    {
        private readonly RemoteHost _host;
        private readonly LinkChannel _channel;
        private readonly CancellationToken _cancellation;
        private readonly CancellationTokenSource _end;
        private readonly AsyncServerStreamingCall<Answer> _call;
        private bool _hasBegun;

        public RemoteWatch(RemoteHost host, LinkChannel channel, CancellationToken cancellation)
        {
            (_host, _channel, _cancellation) = (host, channel, cancellation);
            _end = CancellationTokenSource.CreateLinkedTokenSource(cancellation, channel.Superseded);
            _call = channel.Client.Watch(new Nothing(), Call(_end.Token));
        }

        /// <summary>The next change, or null when a newer channel took over. Throws when the host is lost.</summary>
        public async Task<HostChange?> NextAsync()
        {
            try
            {
                return await _host.TranslatedAsync(ReadAsync, _end.Token);
            }
            catch (OperationCanceledException) when (_channel.Superseded.IsCancellationRequested && !_cancellation.IsCancellationRequested)
            {
                return null;
            }
            catch (OperationCanceledException e) when (_cancellation.IsCancellationRequested)
            {
                throw new OperationCanceledException(e.Message, e, _cancellation);
            }
        }

        public ValueTask DisposeAsync()
        {
            _call.Dispose();
            _end.Dispose();
            return ValueTask.CompletedTask;
        }

        private async Task<HostChange> ReadAsync()
        {
            var next = _call.ResponseStream.MoveNext(_end.Token);
            // Later changes come when they come, the first at once: a host that accepts the call and says nothing hangs.
            if (!_hasBegun)
                next = _host.InTimeAsync(next);
            if (!await next)
                throw new FaultException(new HostNotConnected(_host._name, "it ended its report"));
            _hasBegun = true;
            return _host.ValueOf<HostChange>(_call.ResponseStream.Current);
        }
    }
}
