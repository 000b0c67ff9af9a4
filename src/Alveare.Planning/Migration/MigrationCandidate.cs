using Alveare.Model.Machines;
using Alveare.Planning.Placement;

namespace Alveare.Planning.Migration;

/// <summary>A live migration that somebody asks for.</summary>
/// <param name="DatastoreName">Name of the datastore that holds the machine, for the sentences of faults.</param>
/// <param name="Machine">With the CPU that its guest sees now, not the one it would get at its next start.</param>
public sealed record MigrationCandidate(MachineSpec Machine, DatastorePath Config, string DatastoreName, HostRoom Source, HostRoom Target)
{
    /// <summary>The baseline of the cluster into which it would come with the CPU of another one's; null where it stays in its cluster, where that has no baseline,
    /// and for a machine with a CPU of its own choice.</summary>
    public ClusterBaseline? Entering { get; init; }
}

/// <summary>What every machine of a cluster can rely on, and no more.</summary>
/// <param name="Cluster">Its name.</param>
public sealed record ClusterBaseline(string Cluster, string Model);
