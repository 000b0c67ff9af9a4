using System.Net;
using Alveare.Core.Hosts;
using Alveare.HostLink;
using Alveare.HostLink.Messages;
using Alveare.HostLink.Remote;
using Alveare.HostLink.Serving;
using Alveare.HostLink.Trust;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Alveare.Tests.HostLink;

/// <summary>One host behind a real host link on loopback, and as many centers as the test wants.</summary>
internal sealed class LinkSite : IAsyncDisposable
{
    public const string Password = "correct horse";

    /// <summary>Of which a busy machine is not taken for a broken one.</summary>
    public static readonly HostLinkOptions Patient = new()
    {
        ConnectTimeout = Patience.Longest,
        PingTimeout = Patience.Longest,
        AnswerTimeout = Patience.Longest,
        StrangerTimeout = Patience.Longest,
    };

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("alveare-link-");
    private readonly List<IAsyncDisposable> _connections = [];
    private HostLinkServer? _server;

    private LinkSite(HostLinkOptions options, TimeProvider? hostTime)
    {
        Options = options;
        HostTime = hostTime ?? TimeProvider.System;
        Trust = OpenTrust();
        Host = new RecordingHost(Trust.Id);
    }

    public HostLinkOptions Options { get; }

    public TimeProvider HostTime { get; }

    public HostTrust Trust { get; private set; }

    public RecordingHost Host { get; }

    public string HostDirectory => Path.Combine(_directory.FullName, "host");

    public string Address => _server!.EndPoint.ToString();

    public IPEndPoint EndPoint => _server!.EndPoint;

    public static async Task<LinkSite> StartAsync(HostLinkOptions? options = null, TimeProvider? hostTime = null)
    {
        var site = new LinkSite(options ?? Patient, hostTime);
        await site.ServeAsync();
        return site;
    }

    /// <summary>The agent ends and starts again on the same files, at another port.</summary>
    public async Task RestartHostAsync()
    {
        await _server!.DisposeAsync();
        Trust.Dispose();
        Trust = OpenTrust();
        await ServeAsync();
    }

    /// <summary>The host answers with a service of the test instead.</summary>
    internal async Task ServeInsteadAsync<TService>(TService service)
        where TService : Link.LinkBase
    {
        await _server!.DisposeAsync();
        var loose = Options with { MaxAnswerBytes = int.MaxValue };
        _server = await HostLinkServer.StartAsync(
            service, Trust, new IPEndPoint(IPAddress.Loopback, 0), loose, NullLoggerFactory.Instance, TestContext.Current.CancellationToken);
    }

    public CenterAuthority NewAuthority(string name) =>
        CenterAuthority.Open(Path.Combine(_directory.FullName, name), name, TimeProvider.System, Options);

    public HostLinkConnector NewCenter(string name = "center", HostLinkOptions? options = null) =>
        new(NewAuthority(name), options ?? Options, TimeProvider.System, NullLogger<HostLinkConnector>.Instance);

    public HostInvitation Invitation(bool force = false) => new(Address, Trust.Fingerprint, JoinCredentials.User, Password, force);

    public Alveare.Model.Inventory.Host Record(string? address = null) => new()
    {
        Id = Trust.Id,
        Name = "h1",
        Address = address ?? Address,
        Fingerprint = Trust.Fingerprint,
    };

    public IHost Connect(HostLinkConnector center, string? address = null)
    {
        var host = center.Connect(Record(address));
        _connections.Add(host);
        return host;
    }

    /// <summary>The host as seen by a center that has joined it.</summary>
    public async Task<IHost> JoinedAsync()
    {
        var center = NewCenter();
        await center.JoinAsync(Invitation(), TestContext.Current.CancellationToken);
        return Connect(center);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
            await connection.DisposeAsync();
        await _server!.DisposeAsync();
        Trust.Dispose();
        _directory.Delete(recursive: true);
    }

    private HostTrust OpenTrust() => HostTrust.Open(HostDirectory, "h1", HostTime);

    private async Task ServeAsync() =>
        _server = await HostLinkServer.StartAsync(
            Host,
            Trust,
            new JoinCredentials(Password, "h1", HostTime),
            new IPEndPoint(IPAddress.Loopback, 0),
            Options,
            NullLoggerFactory.Instance,
            TestContext.Current.CancellationToken);
}
