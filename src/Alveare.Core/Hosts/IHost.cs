using Alveare.Model;
using Alveare.Model.Hosts;

namespace Alveare.Core.Hosts;

/// <summary>One machine that runs virtual machines: this one (Kvm), one elsewhere (HostLink), or one in memory (Simulation).</summary>
/// <remarks>Implementations are safe for concurrent calls. Everything that can be expected to go wrong is a <c>FaultException</c>;
/// a host that cannot be reached is <c>HostNotConnected</c>.</remarks>
public interface IHost : IAsyncDisposable
{
    EntityId Id { get; }

    /// <summary>Everything the host knows now.</summary>
    Task<HostSnapshot> ObserveAsync(CancellationToken cancellation);

    /// <summary>All changes from now on, beginning with a <see cref="HostObserved"/>. Ends with a fault when the host is lost; a reader that
    /// is too slow gets a fresh <see cref="HostObserved"/> instead of an unbounded queue.</summary>
    IAsyncEnumerable<HostChange> WatchAsync(CancellationToken cancellation);

    /// <summary>Carries out one command. Cancelling <paramref name="cancellation"/> stops waiting; a migration is given up by the command
    /// <see cref="CancelMigration"/>, not by this token.</summary>
    Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation);

    /// <summary>Opens a console or log of a machine as a byte stream.</summary>
    Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation);
}

/// <summary>How far a command is.</summary>
/// <param name="Percent">0 to 100, or null.</param>
/// <param name="Migration">Set by a transfer.</param>
public sealed record HostProgress(double? Percent, string? Step, MigrationProgress? Migration = null);

/// <summary>How the engine gets at hosts: over the host link in a real center, in memory in a simulation.</summary>
public interface IHostConnector
{
    /// <summary>Claims a host for this center: checks its fingerprint, shows the credentials, issues its certificate. Faults:
    /// <c>HostNotConnected</c>, <c>HostIdentityChanged</c>, <c>HostJoinRefused</c>, <c>HostOwnedByAnotherCenter</c>, <c>LoginThrottled</c>.</summary>
    Task<JoinedHost> JoinAsync(HostInvitation invitation, CancellationToken cancellation);

    /// <summary>A connection to a joined host; connects lazily and reports loss as <c>HostNotConnected</c>.</summary>
    IHost Connect(Model.Inventory.Host host);

    /// <summary>Gives a host up, so that another center may claim it. Does its best: the host may be gone.</summary>
    Task ReleaseAsync(Model.Inventory.Host host, CancellationToken cancellation);
}

/// <summary>What an administrator gives to join a host.</summary>
public sealed record HostInvitation(string Address, string Fingerprint, string User, string Password, bool Force);

/// <summary>A host that was claimed: its own identity and the fingerprint to expect from now on.</summary>
public sealed record JoinedHost(EntityId Id, string HostName, string Fingerprint);
