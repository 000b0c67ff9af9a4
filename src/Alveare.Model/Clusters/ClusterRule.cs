using System.Collections.Immutable;

namespace Alveare.Model.Clusters;

/// <summary>What a rule asks of its machines.</summary>
public enum ClusterRuleKind
{
    /// <summary>All on one host.</summary>
    Together,

    /// <summary>No two on one host.</summary>
    Apart,

    /// <summary>Each on one of the hosts of a host group.</summary>
    OnHosts,

    /// <summary>None on a host of a host group.</summary>
    OffHosts,

    /// <summary>The machines start only after those of another group are on.</summary>
    StartAfter,
}

/// <summary>A rule of a cluster over where its machines run, or in which order they start.</summary>
/// <remarks>A rule that <b>must</b> hold refuses whatever would break it; one that <b>should</b> hold is kept as long as nothing more important is in
/// the way, and its violation is shown and mended.</remarks>
public sealed record ClusterRule
{
    /// <summary>Unique in its cluster.</summary>
    public required string Name { get; init; }

    public required ClusterRuleKind Kind { get; init; }

    /// <summary>Machines named one by one; a rule has either these or a <see cref="VmGroup"/>.</summary>
    public ImmutableArray<EntityId> Vms { get; init; } = [];

    /// <summary>Name of a group of machines.</summary>
    public string? VmGroup { get; init; }

    /// <summary>Name of a group of hosts: of <see cref="ClusterRuleKind.OnHosts"/> and <see cref="ClusterRuleKind.OffHosts"/> only.</summary>
    public string? HostGroup { get; init; }

    /// <summary>Name of the group of machines that start first: of <see cref="ClusterRuleKind.StartAfter"/> only.</summary>
    public string? AfterGroup { get; init; }

    /// <summary>Must hold, not only should.</summary>
    public bool IsMust { get; init; } = true;

    /// <summary>Of rules that cannot all be kept those with the higher number are; 0 to 100.</summary>
    public int Priority { get; init; } = 50;

    public bool IsEnabled { get; init; } = true;

    public bool Equals(ClusterRule? other) =>
        other is not null && Name == other.Name && Kind == other.Kind && VmGroup == other.VmGroup && HostGroup == other.HostGroup
        && AfterGroup == other.AfterGroup && IsMust == other.IsMust && Priority == other.Priority && IsEnabled == other.IsEnabled
        && Vms.SequenceEqual(other.Vms);

    public override int GetHashCode() => HashCode.Combine(Name, Kind, VmGroup, HostGroup, Vms.Length);
}

/// <summary>A named set of machines, or of hosts, that rules speak of.</summary>
/// <param name="Name">Unique among the cluster's groups of this kind.</param>
public sealed record ClusterGroup(string Name, ImmutableArray<EntityId> Members)
{
    public bool Equals(ClusterGroup? other) => other is not null && Name == other.Name && Members.SequenceEqual(other.Members);

    public override int GetHashCode() => HashCode.Combine(Name, Members.Length);
}
