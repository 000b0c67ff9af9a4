using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Processes;

namespace Alveare.Simulation.Agents;

/// <summary>What of a host outlives its agent: the registry on its disk, and its processes with what is written beside them.</summary>
public sealed class HostDisk
{
    /// <summary>Datastores it was told to offer, and where.</summary>
    public SortedDictionary<EntityId, MountDatastore> Datastores { get; } = [];

    /// <summary>Registered machines.</summary>
    public SortedDictionary<EntityId, DatastorePath> Machines { get; } = [];

    public ImmutableArray<PortGroupSpec> PortGroups { get; set; } = [];

    /// <summary>What it was told of resource pools last.</summary>
    public ImmutableArray<HostPool> Pools { get; set; } = [];

    /// <summary>Living processes, and dead ones that no agent has cleaned up after.</summary>
    public List<SimulatedQemu> Processes { get; } = [];
}
