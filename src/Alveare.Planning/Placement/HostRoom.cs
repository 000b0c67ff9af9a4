using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Planning.Rules;

namespace Alveare.Planning.Placement;

/// <summary>One host as a decision sees it: what it is, what it offers and how much of it is taken.</summary>
public sealed record HostRoom
{
    public required EntityId Id { get; init; }

    public required string Name { get; init; }

    /// <summary>Why it cannot be used at all (not connected, said nothing of itself yet), or null.</summary>
    public string? Problem { get; init; }

    /// <summary>No machine comes to a host that is in maintenance or on its way there; those that run leave it.</summary>
    public HostMaintenance Maintenance { get; init; }

    public HostStandby Standby { get; init; }

    public ImmutableArray<string> CpuFeatures { get; init; } = [];

    /// <summary>What it lacks of each processor model that its QEMU knows by name.</summary>
    public ImmutableArray<HostCpuModel> CpuModels { get; init; } = [];

    public Accelerator Accelerator { get; init; }

    /// <summary>Memory for all guests together.</summary>
    public Bytes MemoryForGuests { get; init; }

    /// <summary>Memory of the guests that run here and of those on their way.</summary>
    public Bytes MemoryPromised { get; init; }

    /// <summary>Memory of all machines that are registered here, those that are off too, and of those on their way.</summary>
    public Bytes MemoryRegistered { get; init; }

    public Megahertz CpuCapacity { get; init; }

    /// <summary>CPU that is promised to the guests that run here and to those on their way.</summary>
    public Megahertz CpuReserved { get; init; }

    /// <summary>What its guests ask for at present, those on their way too.</summary>
    public Megahertz CpuDemand { get; init; }

    /// <summary>What the machine in question would ask for here; zero for one that does not run.</summary>
    public Megahertz CpuComing { get; init; }

    public ImmutableArray<HostDatastore> Datastores { get; init; } = [];

    /// <summary>Names of the port groups it offers.</summary>
    public ImmutableArray<string> PortGroups { get; init; } = [];

    /// <summary>The rules of its cluster that the machine in question would break here.</summary>
    public ImmutableArray<BrokenRule> BrokenRules { get; init; } = [];

    /// <summary>What the resource pools of its cluster lack for what the machine in question is promised.</summary>
    public ImmutableArray<Fault> PoolShortages { get; init; } = [];

    /// <summary>The host with a machine of these needs on its way to it.</summary>
    public HostRoom With(MachineNeeds needs) => this with
    {
        MemoryPromised = MemoryPromised + needs.Memory,
        CpuReserved = CpuReserved + needs.CpuReservation,
    };

    /// <summary>Zero when more is promised than there is.</summary>
    public Bytes MemoryFree => MemoryPromised >= MemoryForGuests ? Bytes.Zero : MemoryForGuests - MemoryPromised;
}
