using System.Collections.Frozen;
using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Planning.Placement;

namespace Alveare.Planning.Migration;

/// <summary>A live migration that somebody asks for.</summary>
/// <param name="DatastoreName">Name of the datastore that holds the machine, for the sentences of faults.</param>
/// <param name="Machine">With the CPU that its guest sees now, not the one it would get at its next start.</param>
public sealed record MigrationCandidate(MachineSpec Machine, DatastorePath Config, string DatastoreName, HostRoom Source, HostRoom Target)
{
    /// <summary>By host, the baseline of the cluster into which it would come there with the CPU of another one's. Not there: hosts of its own cluster and of those without a
    /// baseline, and all for a machine with a CPU of its own choice.</summary>
    public IReadOnlyDictionary<EntityId, ClusterBaseline> Entering { get; init; } = FrozenDictionary<EntityId, ClusterBaseline>.Empty;
}

/// <summary>What every machine of a cluster can rely on, and no more.</summary>
/// <param name="Cluster">Its name.</param>
public sealed record ClusterBaseline(string Cluster, string Model);
