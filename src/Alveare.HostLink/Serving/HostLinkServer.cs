using System.Net;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Alveare.Core.Hosts;
using Alveare.HostLink.Messages;
using Alveare.HostLink.Trust;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Alveare.HostLink.Serving;

/// <summary>Serves one <see cref="IHost"/> to the center it belongs to, and lets a center join it.</summary>
public sealed class HostLinkServer : IAsyncDisposable
{
    // One center: commands of hundreds of machines at once, their consoles, and the watch.
    private const int MaxStreams = 4096;

    // A center takes a handful. Each costs memory, also of a stranger that says nothing.
    private const int MaxConnections = 1000;

    private readonly WebApplication _application;

    private HostLinkServer(WebApplication application)
    {
        _application = application;
        var address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        var uri = new Uri(address);
        EndPoint = new IPEndPoint(IPAddress.Parse(uri.Host.Trim('[', ']')), uri.Port);
    }

    /// <summary>Where it listens; the port is the real one when 0 was asked for.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Starts to serve. Throws <see cref="IOException"/> when the address cannot be listened on.</summary>
    public static Task<HostLinkServer> StartAsync(
        IHost host,
        HostTrust trust,
        JoinCredentials credentials,
        IPEndPoint listen,
        HostLinkOptions options,
        ILoggerFactory logs,
        CancellationToken cancellation) =>
        StartAsync(new LinkService(host, trust, credentials, logs.CreateLogger<LinkService>()), trust, listen, options, logs, cancellation);

    /// <summary>Serves any implementation of the protocol.</summary>
    internal static async Task<HostLinkServer> StartAsync<TService>(
        TService service, HostTrust trust, IPEndPoint listen, HostLinkOptions options, ILoggerFactory logs, CancellationToken cancellation)
        where TService : Link.LinkBase
    {
        // The empty builder reads no configuration files or environment: what is served is what is said here.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logs);
        builder.Services.AddRoutingCore();
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = options.MaxRequestBytes;
            grpc.MaxSendMessageSize = options.MaxAnswerBytes;
        });
        builder.Services.AddSingleton(service);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel => Configure(kestrel, trust, listen, options));
        var application = builder.Build();
        var strangers = new StrangerLimits(trust, options);
        application.Use(next => http => strangers.InvokeAsync(http, next));
        application.UseRouting();
        application.MapGrpcService<TService>();
        try
        {
            await application.StartAsync(cancellation);
        }
        catch
        {
            await application.DisposeAsync();
            throw;
        }

        return new HostLinkServer(application);
    }

    /// <summary>Stops at once: calls under way end with a broken connection, the host's work goes on.</summary>
    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _application.StopAsync(now.Token);
        await _application.DisposeAsync();
    }

    private static void Configure(KestrelServerOptions kestrel, HostTrust trust, IPEndPoint listen, HostLinkOptions options)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreams;
        kestrel.Limits.Http2.KeepAlivePingDelay = options.PingAfter;
        kestrel.Limits.Http2.KeepAlivePingTimeout = options.PingTimeout;
        kestrel.Listen(listen, endPoint =>
        {
            endPoint.Protocols = HttpProtocols.Http2;
            endPoint.UseHttps(new HttpsConnectionAdapterOptions
            {
                SslProtocols = SslProtocols.Tls13,
                HandshakeTimeout = options.ConnectTimeout,
                ServerCertificateSelector = (ConnectionContext? _, string? name) => trust.CertificateFor(name),
                // Any certificate passes here and is checked with each call: who is refused then learns why.
                ClientCertificateMode = ClientCertificateMode.AllowCertificate,
                ClientCertificateValidation = (X509Certificate2 _, X509Chain? _, System.Net.Security.SslPolicyErrors _) => true,
            });
        });
    }
}
