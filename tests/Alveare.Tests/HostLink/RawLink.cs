using Alveare.HostLink.Messages;
using Alveare.HostLink.Remote;
using Alveare.HostLink.Trust;
using Google.Protobuf;
using Grpc.Core;
using Xunit;

namespace Alveare.Tests.HostLink;

/// <summary>The host's own center, speaking the protocol by hand.</summary>
internal sealed class RawLink : IDisposable
{
    private readonly CenterAuthority _authority;
    private readonly LinkChannel _channel;

    public RawLink(LinkSite site)
    {
        _authority = site.NewAuthority("center");
        _channel = new LinkChannel(
            LinkAddress.Parse(site.Address), Certificates.DnsName(site.Trust.Id), _authority.NewClientCertificate(), _ => null, site.Options);
    }

    public Link.LinkClient Client => _channel.Client;

    public async Task<Answer> ExecuteAsync(string json)
    {
        using var call = Client.Execute(new ExecuteRequest { Command = ByteString.CopyFromUtf8(json) }, new CallOptions(LinkProtocol.Headers()));
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        return call.ResponseStream.Current;
    }

    public void Dispose()
    {
        _channel.Dispose();
        _authority.Dispose();
    }
}
