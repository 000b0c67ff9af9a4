namespace Alveare.Model.Clusters;

/// <summary>A move that balancing would make and an administrator may apply. The next round of its cluster replaces it; the same move keeps its id.</summary>
public sealed record Recommendation
{
    /// <summary>Such as <c>rec-7</c>; numbers rise and are never used twice while the center runs.</summary>
    public required string Id { get; init; }

    public required EntityId Vm { get; init; }

    public required string VmName { get; init; }

    public required EntityId From { get; init; }

    public required string FromName { get; init; }

    public required EntityId To { get; init; }

    public required string ToName { get; init; }

    /// <summary>Why, in words and numbers.</summary>
    public required string Reason { get; init; }

    /// <summary>What it is expected to bring while it holds, in GHz seconds of evenness.</summary>
    public double Gain { get; init; }

    /// <summary>What the move itself takes, in GHz seconds of CPU.</summary>
    public double Cost { get; init; }

    public required DateTimeOffset MadeAt { get; init; }
}
