using Alveare.Model;

namespace Alveare.Core.Balancing;

/// <summary>A move that was decided.</summary>
/// <param name="Reason">Why, in words and numbers.</param>
/// <param name="Gain">GHz seconds of evenness while it is expected to hold.</param>
/// <param name="Cost">GHz seconds of CPU that the migration takes.</param>
public sealed record ClusterMove(EntityId Vm, string VmName, EntityId From, string FromName, EntityId To, string ToName, string Reason, double Gain, double Cost);

/// <summary>What a round of balancing decided for a cluster.</summary>
/// <param name="Automatic">Moves to make, in order.</param>
/// <param name="Recommended">Moves to recommend, on top of those.</param>
public sealed record RoundPlan(IReadOnlyList<ClusterMove> Automatic, IReadOnlyList<ClusterMove> Recommended)
{
    public static readonly RoundPlan Nothing = new([], []);
}
