namespace Alveare.Model.Resources;

/// <summary>What one virtual disk is held to, and weighs against others.</summary>
public sealed record DiskControl
{
    /// <summary>No limit, normal shares.</summary>
    public static readonly DiskControl None = new();

    /// <summary>The most reads and writes a second, both counted together; null for none.</summary>
    public int? IopsLimit { get; init; }

    /// <summary>The most bytes read and written in a second, both counted together; null for none.</summary>
    public Bytes? BandwidthLimit { get; init; }

    /// <summary>Null for <see cref="ShareScale.NormalDisk"/>.</summary>
    public int? Shares { get; init; }
}
