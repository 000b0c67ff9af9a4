using Alveare.Core.Hosts;
using Alveare.HostLink.Messages;
using Alveare.HostLink.Trust;
using Alveare.Model.Faults;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Alveare.HostLink.Remote;

/// <summary>How a center gets at its hosts: joins them with its own authority and connects to them over the host link.</summary>
public sealed class HostLinkConnector(CenterAuthority authority, HostLinkOptions options, TimeProvider time, ILogger<HostLinkConnector> log)
    : IHostConnector
{
    // Asked for at joining, so that a host which belongs to somebody already still shows the certificate whose fingerprint it prints.
    private const string JoinName = "join.alveare.internal";
    private const int FingerprintDigits = 64;

    public async Task<JoinedHost> JoinAsync(HostInvitation invitation, CancellationToken cancellation)
    {
        var fingerprint = Normalized(invitation);
        System.Security.Cryptography.X509Certificates.PublicKey? key = null;
        using var channel = new LinkChannel(LinkAddress.Parse(invitation.Address), JoinName, null, peer =>
        {
            key = peer.PublicKey;
            var actual = Certificates.Fingerprint(peer);
            return actual == fingerprint ? null : new HostIdentityChanged(invitation.Address, fingerprint, actual);
        }, options);

        var request = new JoinRequest
        {
            User = invitation.User,
            Password = invitation.Password,
            Force = invitation.Force,
            CenterName = authority.Name,
            Authority = authority.RootPem,
        };
        var offer = await AskAsync(channel, request, invitation.Address, cancellation);
        request.Certificate = authority.IssueForHost(offer.SigningRequest.ToByteArray(), offer.HostName);
        await AskAsync(channel, request, invitation.Address, cancellation);
        return new JoinedHost(Model.EntityId.Host(Certificates.IdentityOf(key!)), offer.HostName, fingerprint);
    }

    public IHost Connect(Model.Inventory.Host host) => NewRemoteHost(host);

    public async Task ReleaseAsync(Model.Inventory.Host host, CancellationToken cancellation)
    {
        await using var remote = NewRemoteHost(host);
        try
        {
            await remote.ReleaseAsync(cancellation);
        }
        catch (FaultException e)
        {
            log.LogWarning("Host {Host} could not be told that it is released: {Reason}", host.Name, e.Message);
        }
    }

    private RemoteHost NewRemoteHost(Model.Inventory.Host host) => new(host, authority, options, time, log);

    private async Task<EnrolmentAnswer> AskAsync(LinkChannel channel, JoinRequest request, string hostName, CancellationToken cancellation)
    {
        try
        {
            using var call = channel.Client.JoinAsync(request, new CallOptions(LinkProtocol.Headers(), cancellationToken: cancellation));
            var answer = await call.ResponseAsync.WaitAsync(options.AnswerTimeout, time, cancellation);
            return answer.Fault is { } fault ? throw new FaultException(fault.ToFault(hostName)) : answer;
        }
        catch (RpcException e) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, cancellation);
        }
        catch (Exception e) when (e is RpcException or TimeoutException)
        {
            throw new FaultException(LinkFailure.ToFault(e, hostName)!, e);
        }
    }

    private static string Normalized(HostInvitation invitation)
    {
        var digits = invitation.Fingerprint.Replace(":", "", StringComparison.Ordinal).Trim().ToUpperInvariant();
        return digits.Length == FingerprintDigits && digits.All(char.IsAsciiHexDigit)
            ? digits
            : throw new FaultException(new InvalidArgument(
                $"Host '{invitation.Address}'", "the fingerprint", $"'{invitation.Fingerprint}'", "the 64 hexadecimal digits that the host prints at its start"));
    }
}
