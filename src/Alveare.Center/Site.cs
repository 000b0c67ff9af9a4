using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Alveare.Api;
using Alveare.Core;
using Alveare.Core.Store;
using Alveare.HostLink;
using Alveare.HostLink.Power;
using Alveare.HostLink.Remote;
using Alveare.HostLink.Trust;
using Alveare.Model;
using Alveare.Running;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Alveare.Center;

/// <summary>What the center was told on its command line.</summary>
internal sealed record SiteSettings(string State, IPEndPoint Listen, string Name, string? AuthorityFile, LogLevel LogLevel);

/// <summary>The center's program: the engine over its store, its authority, and the HTTPS address.</summary>
internal static class Site
{
    public const int DefaultPort = 8443;

    private const string PasswordVariable = "ALVEARE_ADMIN_PASSWORD";

    public static async Task RunAsync(SiteSettings settings, CancellationToken cancellation)
    {
        using var state = StateDirectory.Take(settings.State, isEntered: false);
        using var logs = ProgramRun.CreateLogs(settings.LogLevel);
        var log = logs.CreateLogger("Alveare.Center");
        using var authority = CenterAuthority.Open(state.File("authority"), settings.Name, TimeProvider.System, new HostLinkOptions());
        var authorityFile = settings.AuthorityFile ?? state.File("ca.crt");
        authority.WriteRoot(authorityFile);

        await using var store = new SqliteStore(state.File("center.db"));
        var ids = new IdSource(RandomNumberGenerator.Fill);
        var connector = new HostLinkConnector(authority, new HostLinkOptions(), TimeProvider.System, logs.CreateLogger<HostLinkConnector>());
        await using var engine = new Engine(store, connector, new NetworkPower(), TimeProvider.System, ids, logs);
        await engine.StartAsync(cancellation);
        var password = await FirstAdministrator.CreateAsync(
            engine.Users, Environment.GetEnvironmentVariable(PasswordVariable), state.File("admin-password"));
        if (password is not null)
            log.LogInformation("This is a new site. First login: user {User}, password in {File}", FirstAdministrator.Name, password);

        var certificate = new HttpsCertificate(authority, settings.Listen.Address, TimeProvider.System);
        await using var server = await ServeAsync(settings.Listen, certificate, engine, logs, cancellation);
        ProgramRun.Ready(
            $"Alveare center {settings.Name} is ready: url={AddressOf(server)} ca={authorityFile} objects={engine.Inventory.Current.Count}"
            + (password is null ? "" : $" user={FirstAdministrator.Name} password-file={password}"));
        await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        log.LogInformation("The center ends; hosts and machines run on");
    }

    // The real port when 0 was asked for.
    private static string AddressOf(WebApplication server) =>
        server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    private static async Task<WebApplication> ServeAsync(
        IPEndPoint listen, HttpsCertificate certificate, Engine engine, ILoggerFactory logs, CancellationToken cancellation)
    {
        // The empty builder reads no configuration files or environment: what is served is what is said here.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logs);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(listen, endPoint => endPoint.UseHttps(https =>
                https.ServerCertificateSelector = (ConnectionContext? _, string? _) => certificate.Current));
        });
        var server = builder.Build();
        server.UseAlveareApi(engine, logs.CreateLogger("Alveare.Api"));
        try
        {
            await server.StartAsync(cancellation);
            return server;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            await server.DisposeAsync();
            throw new ProgramError($"The center cannot listen on {listen}: {e.Message}", e);
        }
    }
}
