using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Machines;

namespace Alveare.Planning.Placement;

/// <summary>What a machine asks of the host it is to run on.</summary>
/// <param name="Name">For the sentences of refusals.</param>
/// <param name="Memory">What it takes on a host once it runs.</param>
/// <param name="DatastoreName">For the sentences of refusals.</param>
/// <param name="PortGroups">Names of the networks its NICs connect to.</param>
/// <param name="CpuFeatures">CPU features its guest relies on, QEMU's names.</param>
public sealed record MachineNeeds(
    string Name,
    Bytes Memory,
    EntityId Datastore,
    string DatastoreName,
    ImmutableArray<string> PortGroups,
    ImmutableArray<string> CpuFeatures)
{
    /// <summary>CPU that it is promised.</summary>
    public Megahertz CpuReservation { get; init; }

    /// <summary>The CPU that its guest is to see; a host that knows a model of this name says itself what it lacks of it.</summary>
    public string? CpuModel { get; init; }

    /// <summary>A second datastore that the host must see, such as the one a machine is cloned from.</summary>
    public NamedDatastore? Source { get; init; }

    /// <summary>The needs of a machine that is about to start.</summary>
    public static MachineNeeds Of(MachineSpec spec, EntityId datastore, string datastoreName) => new(
        spec.Name,
        spec.Memory,
        datastore,
        datastoreName,
        [.. spec.Nics.Select(n => n.PortGroup).Distinct(StringComparer.Ordinal)],
        CpuModels.FeaturesOf(spec.CpuModel))
    {
        CpuModel = spec.CpuModel,
        CpuReservation = spec.Resources.Cpu.Reservation,
    };
}

/// <summary>A datastore, and what people call it.</summary>
public sealed record NamedDatastore(EntityId Id, string Name);
