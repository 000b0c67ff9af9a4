using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Alveare.Model.Statistics;

namespace Alveare.Model.Hosts;

/// <summary>One thing that changed on a host. A watch starts with <see cref="HostObserved"/> and stays complete from there.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "change")]
[JsonDerivedType(typeof(HostObserved), "observed")]
[JsonDerivedType(typeof(FactsChanged), "facts")]
[JsonDerivedType(typeof(MachineChanged), "machine")]
[JsonDerivedType(typeof(MachineRemoved), "machine-removed")]
[JsonDerivedType(typeof(DatastoresChanged), "datastores")]
[JsonDerivedType(typeof(HostEventRaised), "event")]
[JsonDerivedType(typeof(StatisticsSampled), "statistics")]
public abstract record HostChange;

/// <summary>The whole state: the first change of every watch.</summary>
public sealed record HostObserved(HostSnapshot Snapshot) : HostChange;

public sealed record FactsChanged(HostFacts Facts) : HostChange;

/// <summary>A machine appeared or any part of it changed; replaces what was known of it.</summary>
public sealed record MachineChanged(HostMachine Machine) : HostChange;

/// <summary>A machine is no longer registered on this host.</summary>
public sealed record MachineRemoved(EntityId Machine) : HostChange;

public sealed record DatastoresChanged(ImmutableArray<HostDatastore> Datastores) : HostChange;

/// <summary>Something an administrator should read, such as a QEMU that died and why.</summary>
/// <param name="Kind">Stable dotted name, such as <c>vm.died</c>.</param>
public sealed record HostEventRaised(string Kind, EntityId Subject, string Message, bool IsProblem) : HostChange;

/// <summary>The samples of one statistics interval of this host and its machines.</summary>
public sealed record StatisticsSampled(HostSample Host, ImmutableArray<MachineSample> Machines) : HostChange;
