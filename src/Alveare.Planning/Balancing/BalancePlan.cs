using System.Collections.Immutable;

namespace Alveare.Planning.Balancing;

/// <summary>Moves in the order in which they are to be made, and what they bring.</summary>
/// <param name="Conflicts">Rules that cannot be kept whatever is moved, each as a sentence.</param>
/// <param name="Broken">Rules that are broken after the moves too.</param>
public sealed record BalancePlan(
    ImmutableArray<PlannedMove> Moves, ClusterFigures Before, ClusterFigures After, ImmutableArray<string> Conflicts, ImmutableArray<string> Broken);

/// <summary>One machine that is to move.</summary>
/// <param name="Gb">Memory that the move sends over the network.</param>
/// <param name="Reason">Why, in words and numbers.</param>
public sealed record PlannedMove(string Vm, string From, string To, double Gb, string Reason)
{
    /// <summary>The machine just before it in the plan that it moves together with, because a rule that must hold keeps them on one host; null for one that
    /// moves by itself or leads its group. A group, which moves only to mend a rule, may break its own on its way and keeps it again when all have arrived.</summary>
    public string? With { get; init; }

    /// <summary>The machine of a later move which this one clears the way for, because that one mends a rule or empties a host; null for a move that is made for its own
    /// sake.</summary>
    public string? For { get; init; }
}
