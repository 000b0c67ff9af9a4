namespace Alveare.Model.Resources;

/// <summary>What a machine or a resource pool is promised, held to, and weighs against its siblings.</summary>
/// <remarks>The words are those of Waldspurger (OSDI 2002): a <b>reservation</b> is had whatever happens, a <b>limit</b> is never exceeded even
/// if more is idle, and what is left goes by <b>shares</b>.</remarks>
public sealed record ResourceControls
{
    /// <summary>Nothing promised, no limit, normal shares.</summary>
    public static readonly ResourceControls None = new();

    public CpuControl Cpu { get; init; } = new();

    public MemoryControl Memory { get; init; } = new();

    public DiskControl Disk { get; init; } = new();

    public NetworkControl Network { get; init; } = new();
}

public sealed record CpuControl
{
    public Megahertz Reservation { get; init; }

    /// <summary>Null for none.</summary>
    public Megahertz? Limit { get; init; }

    /// <summary>Null for <see cref="ShareScale.NormalCpu"/> per virtual CPU (of a pool: <see cref="ShareScale.NormalPoolCpu"/>).</summary>
    public int? Shares { get; init; }
}

public sealed record MemoryControl
{
    public Bytes Reservation { get; init; }

    /// <summary>Null for none.</summary>
    public Bytes? Limit { get; init; }

    /// <summary>Null for <see cref="ShareScale.NormalMemory"/> per MiB (of a pool: <see cref="ShareScale.NormalPoolMemory"/>).</summary>
    public int? Shares { get; init; }
}

/// <summary>Of all disks of a machine together.</summary>
public sealed record DiskControl
{
    /// <summary>Operations per second; null for no limit.</summary>
    public long? IopsLimit { get; init; }

    /// <summary>Bytes per second; null for no limit.</summary>
    public Bytes? BandwidthLimit { get; init; }

    /// <summary>Null for <see cref="ShareScale.NormalDisk"/>.</summary>
    public int? Shares { get; init; }
}

/// <summary>Of all network cards of a machine together, each direction.</summary>
public sealed record NetworkControl
{
    /// <summary>Bytes per second; null for no limit.</summary>
    public Bytes? BandwidthLimit { get; init; }

    /// <summary>Null for <see cref="ShareScale.NormalNetwork"/>.</summary>
    public int? Shares { get; init; }
}

/// <summary>The usual numbers of shares, those that administrators know from vSphere; low is half and high is twice of each.</summary>
public static class ShareScale
{
    /// <summary>Per virtual CPU.</summary>
    public const int NormalCpu = 1000;

    /// <summary>Per MiB of memory.</summary>
    public const int NormalMemory = 10;

    public const int NormalDisk = 1000;
    public const int NormalNetwork = 50;

    /// <summary>As a machine with four virtual CPUs.</summary>
    public const int NormalPoolCpu = 4000;

    /// <summary>As a machine with 16 GiB of memory.</summary>
    public const int NormalPoolMemory = 163_840;

    public const int Max = 1_000_000;
}
