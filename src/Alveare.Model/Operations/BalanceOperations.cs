using System.Collections.Immutable;
using Alveare.Model.Clusters;
using Alveare.Model.Security;

namespace Alveare.Model.Operations;

[Operation(EntityKind.Cluster, "set-balancing", Privilege.InventoryChange, "Change how a cluster balances itself; what is not given stays as it is.")]
public sealed record SetBalancing : Operation
{
    public BalanceMode? Mode { get; init; }

    /// <summary>1 (rules only) to 5 (every small gain).</summary>
    public int? Level { get; init; }

    /// <summary>5 seconds to 24 hours.</summary>
    public TimeSpan? Interval { get; init; }

    /// <summary>Machines of the cluster that get a mode of their own, or null for none at all; others keep theirs.</summary>
    public ImmutableArray<BalanceOverride> Overrides { get; init; } = [];

    /// <summary>Machines that go by the cluster's mode again.</summary>
    public ImmutableArray<EntityId> WithoutOverride { get; init; } = [];
}

[Operation(EntityKind.Cluster, "balance", Privilege.VmMigrate, "Plan a cluster's balance now: make the moves that its mode lets it make, and recommend the others.", Cancellable = true)]
public sealed record BalanceCluster : Operation;

[Operation(EntityKind.Cluster, "apply-recommendations", Privilege.VmMigrate, "Make the moves, standbys and wakes that the cluster recommends.", Cancellable = true)]
public sealed record ApplyRecommendations : Operation
{
    /// <summary>Ids of those to apply; null for all that there are.</summary>
    public ImmutableArray<string>? Recommendations { get; init; }
}
