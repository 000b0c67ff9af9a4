using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Reflection;
using System.Security.Cryptography;
using Alveare.HostLink;
using Alveare.HostLink.Serving;
using Alveare.HostLink.Trust;
using Alveare.Kvm;
using Alveare.Model;
using Alveare.Running;

namespace Alveare.Host;

/// <summary>What the agent was told on its command line.</summary>
internal sealed record AgentSettings(
    string State,
    string? Run,
    IPEndPoint Listen,
    string Name,
    string? Uplink,
    int? UplinkSpeed,
    string? MigrationAddress,
    string? PasswordFile,
    TimeSpan StatisticsInterval,
    ImmutableArray<string> PowerDownCommand,
    LogLevel LogLevel);

/// <summary>The agent: this machine as a host (Kvm), served over the host link. When it ends, its machines run on.</summary>
internal static class Agent
{
    private const string PasswordVariable = "ALVEARE_JOIN_PASSWORD";

    public static async Task RunAsync(AgentSettings settings, CancellationToken cancellation)
    {
        KvmHost.KeepFilesPrivate();
        using var state = StateDirectory.Take(settings.State, isEntered: true);
        using var logs = ProgramRun.CreateLogs(settings.LogLevel);
        var log = logs.CreateLogger("Alveare.Host");
        using var trust = HostTrust.Open(state.File("link"), settings.Name, TimeProvider.System);
        var passwordFile = state.File("join-password");
        var credentials = JoinCredentials.Open(passwordFile, GivenPassword(settings), settings.Name, TimeProvider.System);

        await using var host = await KvmHost.OpenAsync(Options(settings, state, trust), cancellation);
        var facts = (await host.ObserveAsync(cancellation)).Facts;
        if (facts.AcceleratorWarning is { } warning)
            log.LogWarning("{Warning}", warning);
        foreach (var missing in host.Warnings)
            log.LogWarning("{Warning}", missing);
        if (settings.Uplink is null)
            log.LogWarning("No --uplink is given: port groups of this host are not joined to those of other hosts");

        await using var server = await ServeAsync(host, trust, credentials, settings, logs, cancellation);
        var owner = trust.Owner is { } center ? $"center={center}" : "center=none";
        ProgramRun.Ready(
            $"Alveare host {settings.Name} is ready: address={server.EndPoint} fingerprint={trust.Fingerprint} id={trust.Id} {owner} "
            + $"user={JoinCredentials.User} password-file={passwordFile}");
        await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        log.LogInformation("The agent ends; machines run on");
    }

    private static async Task<HostLinkServer> ServeAsync(
        KvmHost host, HostTrust trust, JoinCredentials credentials, AgentSettings settings, ILoggerFactory logs, CancellationToken cancellation)
    {
        try
        {
            return await HostLinkServer.StartAsync(host, trust, credentials, settings.Listen, new HostLinkOptions(), logs, cancellation);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            throw new ProgramError($"The agent cannot listen on {settings.Listen}: {e.Message}", e);
        }
    }

    private static KvmOptions Options(AgentSettings settings, StateDirectory state, HostTrust trust) => new()
    {
        HostId = trust.Id,
        HostName = settings.Name,
        StateDirectory = state.Path,
        RunDirectory = Path.GetFullPath(settings.Run ?? $"/run/alveare/{trust.Id}"),
        MigrationAddress = MigrationAddress(settings),
        Uplink = settings.Uplink,
        UplinkSpeed = settings.UplinkSpeed,
        StatisticsInterval = settings.StatisticsInterval,
        PowerDownCommand = settings.PowerDownCommand,
        Ids = new IdSource(RandomNumberGenerator.Fill),
        AgentVersion = typeof(Agent).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "",
    };

    private static string? GivenPassword(AgentSettings settings)
    {
        try
        {
            var given = settings.PasswordFile is { } file ? File.ReadAllText(file) : Environment.GetEnvironmentVariable(PasswordVariable);
            // No program that is started is to have it.
            Environment.SetEnvironmentVariable(PasswordVariable, null);
            return string.IsNullOrWhiteSpace(given) ? null : given.Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ProgramError($"The join password cannot be read: {e.Message}", e);
        }
    }

    private static string MigrationAddress(AgentSettings settings)
    {
        if (settings.MigrationAddress is { } given)
            return IPAddress.TryParse(given, out _) ? given : throw new ProgramError($"--migration-address is '{given}', expected an IP address.");
        if (!settings.Listen.Address.Equals(IPAddress.Any) && !settings.Listen.Address.Equals(IPAddress.IPv6Any))
            return settings.Listen.Address.ToString();
        var devices = NetworkInterface.GetAllNetworkInterfaces()
            .Where(d => settings.Uplink is null ? d.NetworkInterfaceType != NetworkInterfaceType.Loopback : d.Name == settings.Uplink);
        var address = devices.SelectMany(d => d.GetIPProperties().UnicastAddresses)
            .FirstOrDefault(a => a.Address.AddressFamily == AddressFamily.InterNetwork);
        return address?.Address.ToString()
            ?? throw new ProgramError(settings.Uplink is { } uplink
                ? $"--uplink is '{uplink}', expected a network device of this machine with an IPv4 address at which other hosts reach it; else give --migration-address."
                : "This machine has no IPv4 address at which other hosts reach it: give --migration-address.");
    }
}
