using System.Collections.Immutable;

namespace Alveare.Model.Clusters;

/// <summary>What a cluster does by itself.</summary>
public enum BalanceMode
{
    /// <summary>A machine starts on its own host or on the one that is named, or not at all; moves are recommended and an administrator applies them.</summary>
    Manual,

    /// <summary>Machines that start are placed; moves are recommended.</summary>
    Partial,

    /// <summary>Machines are placed and moved.</summary>
    Full,
}

/// <summary>How a cluster is balanced.</summary>
public sealed record BalanceSettings
{
    public static readonly BalanceSettings Default = new();

    public const int MinLevel = 1;
    public const int MaxLevel = 5;
    public static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan MaxInterval = TimeSpan.FromHours(24);

    public BalanceMode Mode { get; init; } = BalanceMode.Partial;

    /// <summary>1: rules only, to 5: every small gain.</summary>
    public int Level { get; init; } = 3;

    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Machines whose mode differs from the cluster's, in the order of their ids.</summary>
    public ImmutableArray<BalanceOverride> Overrides { get; init; } = [];

    /// <summary>The mode that holds for a machine of the cluster; null when balancing leaves it alone.</summary>
    public BalanceMode? ModeOf(EntityId vm)
    {
        foreach (var own in Overrides)
        {
            if (own.Vm == vm)
                return own.Mode;
        }

        return Mode;
    }

    public bool Equals(BalanceSettings? other) =>
        other is not null && Mode == other.Mode && Level == other.Level && Interval == other.Interval && Overrides.SequenceEqual(other.Overrides);

    public override int GetHashCode() => HashCode.Combine(Mode, Level, Interval, Overrides.Length);
}

/// <param name="Mode">Null: balancing neither moves the machine nor recommends it.</param>
public sealed record BalanceOverride(EntityId Vm, BalanceMode? Mode);
