using System.Collections.Immutable;
using Alveare.Model.Clusters;
using Alveare.Model.Security;

namespace Alveare.Model.Operations;

[Operation(EntityKind.Cluster, "create-rule", Privilege.InventoryChange, "Make a rule over where a cluster's machines run, or in which order they start.")]
public sealed record CreateRule : Operation
{
    public required string Name { get; init; }

    public required ClusterRuleKind Kind { get; init; }

    /// <summary>Machines of the rule; or a group of them.</summary>
    public ImmutableArray<EntityId> Vms { get; init; } = [];

    public string? VmGroup { get; init; }

    /// <summary>Of the kinds on-hosts and off-hosts.</summary>
    public string? HostGroup { get; init; }

    /// <summary>Of the kind start-after: the group of machines that start first.</summary>
    public string? AfterGroup { get; init; }

    /// <summary>Only to be kept as long as nothing more important is in the way.</summary>
    public bool IsPreference { get; init; }

    /// <summary>0 to 100; rules with more are mended first.</summary>
    public int Priority { get; init; } = 50;
}

[Operation(EntityKind.Cluster, "set-rule", Privilege.InventoryChange, "Change a rule; what is not given stays. Its kind cannot be changed.")]
public sealed record SetRule : Operation
{
    public required string Name { get; init; }

    public string? NewName { get; init; }

    /// <summary>Machines of the rule from now on, in place of those it had or of its group.</summary>
    public ImmutableArray<EntityId>? Vms { get; init; }

    /// <summary>The group of its machines, in place of the one it had or of machines that it names.</summary>
    public string? VmGroup { get; init; }

    public string? HostGroup { get; init; }

    public string? AfterGroup { get; init; }

    public bool? IsPreference { get; init; }

    public int? Priority { get; init; }
}

[Operation(EntityKind.Cluster, "enable-rule", Privilege.InventoryChange, "Let a rule count again, or not for now.")]
public sealed record EnableRule : Operation
{
    public required string Name { get; init; }

    public bool IsEnabled { get; init; } = true;
}

[Operation(EntityKind.Cluster, "remove-rule", Privilege.InventoryChange, "Remove a rule.")]
public sealed record RemoveRule : Operation
{
    public required string Name { get; init; }
}

[Operation(EntityKind.Cluster, "set-vm-group", Privilege.InventoryChange, "Make a group of machines, or give one its members anew.")]
public sealed record SetVmGroup : Operation
{
    public required string Name { get; init; }

    public required ImmutableArray<EntityId> Vms { get; init; }
}

[Operation(EntityKind.Cluster, "set-host-group", Privilege.InventoryChange, "Make a group of hosts, or give one its members anew.")]
public sealed record SetHostGroup : Operation
{
    public required string Name { get; init; }

    public required ImmutableArray<EntityId> Hosts { get; init; }
}

[Operation(EntityKind.Cluster, "remove-group", Privilege.InventoryChange, "Remove a group of machines or hosts that no rule names.")]
public sealed record RemoveGroup : Operation
{
    public required string Name { get; init; }
}
