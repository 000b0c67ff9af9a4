namespace Alveare.Model.Resources;

/// <summary>What one virtual network card is held to, and weighs against others.</summary>
public sealed record NicControl
{
    /// <summary>No limit, normal shares.</summary>
    public static readonly NicControl None = new();

    /// <summary>Of what the guest sends; null for none.</summary>
    public TrafficShaping? Out { get; init; }

    /// <summary>Of what the guest is sent; null for none.</summary>
    public TrafficShaping? In { get; init; }

    /// <summary>What it weighs where cards send more than the host's uplink takes; null for normal: <see cref="ShareScale.NormalNic"/>.</summary>
    public int? Shares { get; init; }
}

/// <summary>What the network cards of a resource pool's machines are held to together, and weigh against others.</summary>
public sealed record PoolNetworkControl
{
    /// <summary>No limit, normal shares.</summary>
    public static readonly PoolNetworkControl None = new();

    /// <summary>The most bytes of frames that the guests send in a second; null for none.</summary>
    public Bytes? OutLimit { get; init; }

    /// <summary>The most bytes of frames that the guests are sent in a second; null for none.</summary>
    public Bytes? InLimit { get; init; }

    /// <summary>Null for <see cref="ShareScale.NormalPoolNic"/>.</summary>
    public int? Shares { get; init; }
}

/// <summary>A limit of traffic in one direction, in bytes and bytes a second of whole frames.</summary>
/// <param name="Average">The most over time.</param>
/// <param name="Peak">The most while a burst lasts; null for as fast as it goes.</param>
/// <param name="Burst">How many bytes go faster than the average after a rest; null for what the average sends in a twentieth of a second.</param>
public sealed record TrafficShaping(Bytes Average, Bytes? Peak = null, Bytes? Burst = null);
