namespace Alveare.Model.Hosts;

/// <summary>Which end of a live migration a host is.</summary>
public enum MigrationRole
{
    Source,
    Destination,
}

/// <summary>The four phases of a live migration. Until <see cref="Switch"/> it can be cancelled and the machine stays where it is.</summary>
public enum MigrationPhase
{
    /// <summary>The destination starts a QEMU that waits for the memory.</summary>
    Prepare,

    /// <summary>Memory is copied while the guest runs on the source.</summary>
    Transfer,

    /// <summary>The guest is stopped on the source; the holder of the on-disk lock decides where it runs on.</summary>
    Switch,

    /// <summary>The guest runs on the destination; the source is cleaned up.</summary>
    Commit,
}

/// <summary>A live migration as one of its two hosts sees it.</summary>
public sealed record HostMigration(Guid Id, MigrationRole Role, MigrationPhase Phase);

/// <summary>How a live migration is done; both ends get the same.</summary>
public sealed record MigrationSettings
{
    /// <summary>The longest pause QEMU may plan for the switch.</summary>
    public TimeSpan MaxPause { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>Bytes per second, or 0 for no limit.</summary>
    public long BandwidthLimit { get; init; }

    /// <summary>Slow the guest down when it dirties memory faster than the link carries it.</summary>
    public bool AutoConverge { get; init; } = true;

    /// <summary>Parallel connections for the memory; 0 uses a single stream.</summary>
    public int Channels { get; init; }

    /// <summary>Key of this one migration in hexadecimal (TLS with a pre-shared key), or null for plain TCP.</summary>
    public string? TlsKey { get; init; }

    /// <summary>How long the source waits, once all memory is sent, for the destination to take the lock before it takes the machine back.</summary>
    public TimeSpan SwitchTimeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>Progress of a transfer.</summary>
/// <param name="DirtyBytesPerSecond">How fast the guest rewrites memory.</param>
public sealed record MigrationProgress(
    MigrationPhase Phase,
    Bytes Total,
    Bytes Transferred,
    Bytes Remaining,
    double BytesPerSecond,
    double DirtyBytesPerSecond);
