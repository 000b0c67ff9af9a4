namespace Alveare.Model.Clusters;

/// <summary>What a <see cref="Recommendation"/> is about.</summary>
public enum RecommendationKind
{
    /// <summary>A machine moves.</summary>
    Move,

    /// <summary>The host <see cref="Recommendation.From"/> goes to standby.</summary>
    Standby,

    /// <summary>The host <see cref="Recommendation.To"/> is woken.</summary>
    Wake,
}

/// <summary>What a cluster would do and an administrator may apply. The next round of its cluster replaces it; the same one keeps its id.</summary>
public sealed record Recommendation
{
    /// <summary>Such as <c>rec-7</c>; numbers rise and are never used twice.</summary>
    public required string Id { get; init; }

    public RecommendationKind Kind { get; init; }

    /// <summary>The machine that moves, or null.</summary>
    public EntityId? Vm { get; init; }

    public string? VmName { get; init; }

    /// <summary>The host that is left; null when one is woken.</summary>
    public EntityId? From { get; init; }

    public string? FromName { get; init; }

    /// <summary>The host that gets a machine, or is woken; null when one goes to standby.</summary>
    public EntityId? To { get; init; }

    public string? ToName { get; init; }

    /// <summary>Why, in words and numbers.</summary>
    public required string Reason { get; init; }

    /// <summary>What a move is expected to bring while it holds, in GHz seconds of evenness.</summary>
    public double Gain { get; init; }

    /// <summary>What a move itself takes, in GHz seconds of CPU.</summary>
    public double Cost { get; init; }

    public required DateTimeOffset MadeAt { get; init; }
}
