using System.Net;
using System.Security.Cryptography.X509Certificates;
using Alveare.Core.Hosts;
using Alveare.HostLink.Messages;
using Alveare.HostLink.Remote;
using Alveare.HostLink.Trust;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Grpc.Core;
using Xunit;

namespace Alveare.Tests.HostLink;

/// <summary>Who may join a host, and who is refused afterwards.</summary>
public sealed class LinkTrustTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AHostJoinsByFingerprintAndPassword()
    {
        await using var site = await LinkSite.StartAsync();
        var center = site.NewCenter();
        var joined = await center.JoinAsync(site.Invitation(), Cancellation);
        Assert.Equal(new JoinedHost(site.Trust.Id, "h1", site.Trust.Fingerprint), joined);
        Assert.Equal(site.Trust.Id, (await site.Connect(center).ObserveAsync(Cancellation)).Facts.Id);
    }

    [Fact]
    public async Task AFingerprintMayBeWrittenWithColonsAndInLowerCase()
    {
        await using var site = await LinkSite.StartAsync();
        var written = string.Join(':', site.Trust.Fingerprint.ToLowerInvariant().Chunk(2).Select(c => new string(c)));
        var joined = await site.NewCenter().JoinAsync(site.Invitation() with { Fingerprint = written }, Cancellation);
        Assert.Equal(site.Trust.Fingerprint, joined.Fingerprint);
    }

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("zz")]
    public async Task AFingerprintThatIsNoneIsRefusedBeforeAnythingIsSent(string fingerprint)
    {
        await using var site = await LinkSite.StartAsync();
        Assert.IsType<InvalidArgument>(await FaultOfJoin(site.NewCenter(), site.Invitation() with { Fingerprint = fingerprint }));
    }

    [Fact]
    public async Task AnotherFingerprintIsAnotherHost()
    {
        await using var site = await LinkSite.StartAsync();
        var fault = await FaultOfJoin(site.NewCenter(), site.Invitation() with { Fingerprint = new string('A', 64) });
        Assert.Equal(site.Trust.Fingerprint, Assert.IsType<HostIdentityChanged>(fault).Actual);
    }

    [Fact]
    public async Task WrongPasswordsAreRefusedAndThenThrottled()
    {
        var clock = new ManualClock();
        await using var site = await LinkSite.StartAsync(hostTime: clock);
        var center = site.NewCenter();
        var wrong = site.Invitation() with { Password = "wrong" };
        for (var guess = 0; guess < 5; guess++)
            Assert.IsType<HostJoinRefused>(await FaultOfJoin(center, wrong));
        Assert.IsType<LoginThrottled>(await FaultOfJoin(center, wrong));
        Assert.IsType<LoginThrottled>(await FaultOfJoin(center, site.Invitation()));
        clock.Advance(TimeSpan.FromSeconds(3));
        await center.JoinAsync(site.Invitation(), Cancellation);
    }

    [Fact]
    public async Task ACallWithoutJoiningIsRefused()
    {
        await using var site = await LinkSite.StartAsync();
        var stranger = site.Connect(site.NewCenter());
        Assert.IsType<HostNotConnected>(await FaultOf(stranger));
    }

    [Fact]
    public async Task AHostOfAnotherCenterIsNotTakenWithoutForce()
    {
        await using var site = await LinkSite.StartAsync();
        var first = site.NewCenter("first");
        await first.JoinAsync(site.Invitation(), Cancellation);
        var fault = await FaultOfJoin(site.NewCenter("second"), site.Invitation());
        Assert.Equal("first", Assert.IsType<HostOwnedByAnotherCenter>(fault).Owner);
        await site.Connect(first).ObserveAsync(Cancellation);
    }

    [Fact]
    public async Task ForceTakesAHostOverAndTheOldCenterIsRefusedAtOnce()
    {
        await using var site = await LinkSite.StartAsync();
        var (first, second) = (site.NewCenter("first"), site.NewCenter("second"));
        await first.JoinAsync(site.Invitation(), Cancellation);
        var old = site.Connect(first);
        await using var watch = old.WatchAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        Assert.True(await watch.MoveNextAsync());

        await second.JoinAsync(site.Invitation(force: true), Cancellation);
        var ended = await Assert.ThrowsAsync<FaultException>(() => watch.MoveNextAsync().AsTask().WaitAsync(Patience.Longest, Cancellation));
        Assert.Equal("second", Assert.IsType<HostOwnedByAnotherCenter>(ended.Fault).Owner);
        // Over the connection that was open, and over a new one.
        Assert.IsType<HostOwnedByAnotherCenter>(await FaultOf(old));
        Assert.IsType<HostOwnedByAnotherCenter>(await FaultOf(site.Connect(first)));
        await site.Connect(second).ObserveAsync(Cancellation);
    }

    [Fact]
    public async Task AStrangersRequestIsSmallAndTheCentersMayBeLarge()
    {
        await using var site = await LinkSite.StartAsync();
        await site.JoinedAsync();
        using var authority = site.NewAuthority("stranger");
        using var stranger = new LinkChannel(LinkAddress.Parse(site.Address), "stranger", null, _ => null, site.Options);
        var join = new JoinRequest { User = JoinCredentials.User, Password = "wrong", CenterName = "c", Authority = authority.RootPem };
        var headers = new CallOptions(LinkProtocol.Headers(), cancellationToken: Cancellation);
        Assert.NotNull((await stranger.Client.JoinAsync(join, headers)).Fault);
        join.CenterName = new string('c', 100_000);
        await Assert.ThrowsAsync<RpcException>(() => stranger.Client.JoinAsync(join, headers).ResponseAsync);

        using var center = new RawLink(site);
        Assert.NotNull((await center.ExecuteAsync(new string('x', 1_000_000))).Fault);
    }

    [Fact]
    public async Task AStrangersRequestThatDoesNotEndIsEnded()
    {
        await using var site = await LinkSite.StartAsync(LinkSite.Patient with { StrangerTimeout = TimeSpan.FromMilliseconds(100) });
        using var stranger = new HalfRequest(site);
        await Assert.ThrowsAsync<HttpRequestException>(() => stranger.Answer.WaitAsync(Patience.Longest, Cancellation));
    }

    [Fact]
    public async Task OfStrangersSomeAreHeardAtOnce()
    {
        await using var site = await LinkSite.StartAsync(LinkSite.Patient with { StrangersAtOnce = 1 });
        var center = site.NewCenter();
        using (var stranger = new HalfRequest(site))
        {
            await stranger.Begun.WaitAsync(Patience.Longest, Cancellation);
            await UntilAsync(async () => await FaultOfJoin(center, site.Invitation() with { Password = "wrong" }) is HostNotConnected);
        }

        await UntilAsync(async () => await FaultOfJoin(center, site.Invitation() with { Password = "wrong" }) is not HostNotConnected);
    }

    [Fact]
    public async Task AReleasedHostIsFreeForAnotherCenter()
    {
        await using var site = await LinkSite.StartAsync();
        var (first, second) = (site.NewCenter("first"), site.NewCenter("second"));
        await first.JoinAsync(site.Invitation(), Cancellation);
        await first.ReleaseAsync(site.Record(), Cancellation);
        Assert.Null(site.Trust.Owner);
        Assert.IsType<HostNotConnected>(await FaultOf(site.Connect(first)));
        await second.JoinAsync(site.Invitation(), Cancellation);
        Assert.Equal("second", site.Trust.Owner);
    }

    [Fact]
    public async Task ReleasingAHostThatIsGoneSucceeds()
    {
        await using var site = await LinkSite.StartAsync();
        await site.NewCenter().ReleaseAsync(site.Record("127.0.0.1:1"), Cancellation);
    }

    [Fact]
    public async Task AnotherMachineAtTheSameAddressIsNotTheHost()
    {
        await using var site = await LinkSite.StartAsync();
        await using var other = await LinkSite.StartAsync();
        var center = site.NewCenter();
        await center.JoinAsync(site.Invitation(), Cancellation);
        Assert.IsType<HostIdentityChanged>(await FaultOf(site.Connect(center, other.Address)));
    }

    [Fact]
    public async Task AnotherHostOfTheSameCenterIsNotTheHost()
    {
        await using var site = await LinkSite.StartAsync();
        await using var other = await LinkSite.StartAsync();
        var center = site.NewCenter();
        await center.JoinAsync(site.Invitation(), Cancellation);
        await center.JoinAsync(other.Invitation(), Cancellation);
        Assert.IsType<HostIdentityChanged>(await FaultOf(site.Connect(center, other.Address)));
    }

    [Fact]
    public async Task BelongingOutlivesARestartOfTheAgent()
    {
        await using var site = await LinkSite.StartAsync();
        var center = site.NewCenter();
        await center.JoinAsync(site.Invitation(), Cancellation);
        var (id, fingerprint) = (site.Trust.Id, site.Trust.Fingerprint);
        await site.RestartHostAsync();
        Assert.Equal((id, fingerprint), (site.Trust.Id, site.Trust.Fingerprint));
        await site.Connect(center).ObserveAsync(Cancellation);
    }

    [Fact]
    public async Task ACenterThatStartsAgainIsStillTheOwner()
    {
        await using var site = await LinkSite.StartAsync();
        await site.NewCenter().JoinAsync(site.Invitation(), Cancellation);
        await site.Connect(site.NewCenter()).ObserveAsync(Cancellation);
    }

    [Fact]
    public async Task AJoinThatWasCutOffLeavesAHostThatCanBeJoined()
    {
        await using var site = await LinkSite.StartAsync();
        // Killed while it wrote: the new content is in the temporary file, half of it.
        await File.WriteAllTextAsync(Path.Combine(site.HostDirectory, "membership.json.new"), "{\"centerName\":\"fi", Cancellation);
        await site.RestartHostAsync();
        Assert.Null(site.Trust.Owner);
        await site.NewCenter("second").JoinAsync(site.Invitation(), Cancellation);
    }

    [Fact]
    public async Task AJoinWhoseAnswerWasLostIsRepeatedWithoutForce()
    {
        await using var site = await LinkSite.StartAsync();
        var center = site.NewCenter();
        var first = await center.JoinAsync(site.Invitation(), Cancellation);
        Assert.Equal(first, await center.JoinAsync(site.Invitation(), Cancellation));
    }

    [Fact]
    public async Task SecretsAreReadableByTheirOwnerOnly()
    {
        await using var site = await LinkSite.StartAsync();
        await site.NewCenter().JoinAsync(site.Invitation(), Cancellation);
        var files = Directory.GetFiles(Path.GetDirectoryName(site.HostDirectory)!, "*", SearchOption.AllDirectories);
        Assert.True(files.Length >= 3);
        Assert.All(files, f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
    }

    [Fact]
    public async Task AnAddressNobodyListensOnIsNotConnected()
    {
        await using var site = await LinkSite.StartAsync();
        Assert.IsType<HostNotConnected>(await FaultOfJoin(site.NewCenter(), site.Invitation() with { Address = "127.0.0.1:1" }));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("host:99999")]
    [InlineData("https://host")]
    [InlineData("host/path")]
    public async Task AnAddressThatIsNoneIsAnInvalidArgument(string address)
    {
        await using var site = await LinkSite.StartAsync();
        Assert.IsType<InvalidArgument>(await FaultOfJoin(site.NewCenter(), site.Invitation() with { Address = address }));
    }

    [Fact]
    public async Task CertificatesAreRenewedWithoutLosingTheWatchOrACommand()
    {
        await using var site = await LinkSite.StartAsync(LinkSite.Patient with { CertificateLifetime = TimeSpan.FromSeconds(20) });
        var host = await site.JoinedAsync();
        var before = site.Trust.CertificateFor(Certificates.DnsName(site.Trust.Id)).Thumbprint;
        var finish = new TaskCompletionSource<HostReply>();
        site.Host.OnExecute = (_, _, _) => finish.Task;
        var command = host.ExecuteAsync(new ReadStatistics(), null, Cancellation);

        // The first report, the one over the new connection, and a change after that.
        await using var watch = host.WatchAsync(Cancellation).GetAsyncEnumerator(Cancellation);
        for (var report = 0; report < 2; report++)
        {
            Assert.True(await watch.MoveNextAsync().AsTask().WaitAsync(Patience.Longest, Cancellation));
            Assert.IsType<HostObserved>(watch.Current);
        }

        Assert.NotEqual(before, site.Trust.CertificateFor(Certificates.DnsName(site.Trust.Id)).Thumbprint);
        Assert.False(command.IsCompleted);
        finish.SetResult(Done.Instance);
        Assert.IsType<Done>(await command);
    }

    private static async Task<Fault> FaultOfJoin(IHostConnector center, HostInvitation invitation) =>
        (await Assert.ThrowsAsync<FaultException>(() => center.JoinAsync(invitation, Cancellation))).Fault;

    private static async Task<Fault> FaultOf(IHost host) =>
        (await Assert.ThrowsAsync<FaultException>(() => host.ObserveAsync(Cancellation))).Fault;

    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (!await isSo())
            limit.Token.ThrowIfCancellationRequested();
    }

    /// <summary>A stranger who announces more than comes.</summary>
    private sealed class HalfRequest : HttpContent
    {
        private readonly HttpClient _client;
        private readonly TaskCompletionSource _begun = new();
        private readonly TaskCompletionSource _end = new();

        public HalfRequest(LinkSite site)
        {
            Headers.ContentType = new("application/grpc");
            var handler = new SocketsHttpHandler();
            handler.SslOptions.RemoteCertificateValidationCallback =
                (_, shown, _, _) => shown is X509Certificate2 peer && Certificates.Fingerprint(peer) == site.Trust.Fingerprint;
            _client = new HttpClient(handler) { Timeout = Patience.Longest };
            var request = new HttpRequestMessage(HttpMethod.Post, $"https://{site.Address}/alveare.hostlink.v1.Link/Join")
            {
                Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = this,
            };
            request.Headers.TE.Add(new("trailers"));
            Answer = _client.SendAsync(request, Cancellation);
        }

        public Task<HttpResponseMessage> Answer { get; }

        public Task Begun => _begun.Task;

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[] { 0, 0, 0, 4, 0, 1 }, Cancellation);
            await stream.FlushAsync(Cancellation);
            _begun.SetResult();
            await _end.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        protected override void Dispose(bool disposing)
        {
            _end.TrySetResult();
            _client.Dispose();
            base.Dispose(disposing);
        }
    }
}
