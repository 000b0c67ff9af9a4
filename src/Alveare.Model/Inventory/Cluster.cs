using System.Collections.Immutable;
using Alveare.Model.Clusters;

namespace Alveare.Model.Inventory;

/// <summary>Hosts that are used as one: machines are placed on, moved between and restarted on them by its rules.</summary>
public sealed record Cluster : Entity
{
    public BalanceSettings Balancing { get; init; } = BalanceSettings.Default;

    public PowerSavingSettings PowerSaving { get; init; } = PowerSavingSettings.Default;

    public ImmutableArray<ClusterGroup> VmGroups { get; init; } = [];

    public ImmutableArray<ClusterGroup> HostGroups { get; init; } = [];

    public ImmutableArray<ClusterRule> Rules { get; init; } = [];

    /// <summary>The CPU that machines of this cluster are started with unless they name one, which every host of it can give: a level
    /// (<c>x86-64-v1</c> to <c>v4</c>) or a named model. Null: the portable default, and no host is held to anything.</summary>
    public string? CpuBaseline { get; init; }

    public bool Equals(Cluster? other) =>
        base.Equals(other) && CpuBaseline == other.CpuBaseline && Balancing == other.Balancing && PowerSaving == other.PowerSaving
        && VmGroups.SequenceEqual(other.VmGroups)
        && HostGroups.SequenceEqual(other.HostGroups) && Rules.SequenceEqual(other.Rules);

    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Balancing, Rules.Length);
}
