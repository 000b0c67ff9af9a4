using System.Collections.Immutable;
using Alveare.Model.Clusters;

namespace Alveare.Model.Inventory;

/// <summary>Hosts that are used as one: machines are placed on, moved between and restarted on them by its rules.</summary>
public sealed record Cluster : Entity
{
    public BalanceSettings Balancing { get; init; } = BalanceSettings.Default;

    public ImmutableArray<ClusterGroup> VmGroups { get; init; } = [];

    public ImmutableArray<ClusterGroup> HostGroups { get; init; } = [];

    public ImmutableArray<ClusterRule> Rules { get; init; } = [];

    public bool Equals(Cluster? other) =>
        base.Equals(other) && Balancing == other.Balancing && VmGroups.SequenceEqual(other.VmGroups)
        && HostGroups.SequenceEqual(other.HostGroups) && Rules.SequenceEqual(other.Rules);

    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Balancing, Rules.Length);
}
