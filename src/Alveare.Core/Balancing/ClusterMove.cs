using Alveare.Model;
using Alveare.Model.Clusters;

namespace Alveare.Core.Balancing;

/// <summary>A move that was decided.</summary>
/// <param name="Reason">Why, in words and numbers.</param>
/// <param name="Gain">GHz seconds of evenness while it is expected to hold.</param>
/// <param name="Cost">GHz seconds of CPU that the migration takes.</param>
public sealed record ClusterMove(EntityId Vm, string VmName, EntityId From, string FromName, EntityId To, string ToName, string Reason, double Gain, double Cost)
{
    public Recommendation ToDraft() => new()
    {
        Id = "",
        Vm = Vm,
        VmName = VmName,
        From = From,
        FromName = FromName,
        To = To,
        ToName = ToName,
        Reason = Reason,
        Gain = Math.Round(Gain, 3),
        Cost = Math.Round(Cost, 3),
        MadeAt = default,
    };

    public static ClusterMove Of(Recommendation made) =>
        new(made.Vm!.Value, made.VmName!, made.From!.Value, made.FromName!, made.To!.Value, made.ToName!, made.Reason, made.Gain, made.Cost);
}

/// <summary>What a round of balancing decided for a cluster.</summary>
/// <param name="Automatic">Moves to make, in order.</param>
/// <param name="Recommended">Moves to recommend, on top of those.</param>
public sealed record RoundPlan(IReadOnlyList<ClusterMove> Automatic, IReadOnlyList<ClusterMove> Recommended)
{
    public static readonly RoundPlan Nothing = new([], []);
}
