using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Alveare.Api;
using Alveare.Api.Routing;
using Alveare.Core.Changes;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Core.Statistics;
using Alveare.Core.Store;
using Alveare.Core.Tasks;
using Alveare.HostLink;
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
        var feed = new Feed { Run = ids.NewSecret(4) };
        var inventory = new InventoryWriter(store, feed);
        var events = new EventLog(store, feed, TimeProvider.System);
        var users = new Users(store, ids);
        var sessions = new Sessions(store, users, events, TimeProvider.System, ids);
        var tasks = new TaskEngine(store, inventory, events, feed, TimeProvider.System, logs.CreateLogger<TaskEngine>());
        inventory.Load();
        events.Load();
        users.Load();
        sessions.Load();
        tasks.Load();
        var password = await FirstAdministrator.CreateAsync(
            users, Environment.GetEnvironmentVariable(PasswordVariable), state.File("admin-password"));
        if (password is not null)
            log.LogInformation("This is a new site. First login: user {User}, password in {File}", FirstAdministrator.Name, password);

        var certificate = new HttpsCertificate(authority, settings.Listen.Address, TimeProvider.System);
        var engine = new ApiEngine(inventory, tasks, events, feed, users, sessions, new StatisticsHistory());
        await using var server = await ServeAsync(settings.Listen, certificate, engine, logs, cancellation);
        ProgramRun.Ready(
            $"Alveare center {settings.Name} is ready: url={AddressOf(server)} ca={authorityFile} objects={inventory.Current.Count}"
            + (password is null ? "" : $" user={FirstAdministrator.Name} password-file={password}"));
        await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        log.LogInformation("The center ends; hosts and machines run on");
    }

    // The real port when 0 was asked for.
    private static string AddressOf(WebApplication server) =>
        server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    private static async Task<WebApplication> ServeAsync(
        IPEndPoint listen, HttpsCertificate certificate, ApiEngine engine, ILoggerFactory logs, CancellationToken cancellation)
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
