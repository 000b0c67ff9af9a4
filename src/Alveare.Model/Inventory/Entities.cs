using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Model.Inventory;

/// <summary>One object of the inventory tree, as of one inventory version. Immutable: a change is a new record.</summary>
/// <remarks>The tree: the root holds datacenters; a datacenter holds folders, clusters, hosts that are in no cluster, datastores, port
/// groups and virtual machines; a folder holds folders and virtual machines; a cluster holds hosts
/// and resource pools, and a pool holds pools. Names are unique per parent and kind.</remarks>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(RootFolder), "root")]
[JsonDerivedType(typeof(Datacenter), "datacenter")]
[JsonDerivedType(typeof(Folder), "folder")]
[JsonDerivedType(typeof(Cluster), "cluster")]
[JsonDerivedType(typeof(Host), "host")]
[JsonDerivedType(typeof(VirtualMachine), "vm")]
[JsonDerivedType(typeof(Datastore), "datastore")]
[JsonDerivedType(typeof(PortGroup), "portgroup")]
[JsonDerivedType(typeof(ResourcePool), "pool")]
public abstract record Entity
{
    public required EntityId Id { get; init; }

    public required string Name { get; init; }

    /// <summary>The object that holds this one; null for the root only.</summary>
    public EntityId? Parent { get; init; }

    /// <summary>The inventory version of the last change to this object.</summary>
    public long Version { get; init; }
}

public sealed record RootFolder : Entity;

public sealed record Datacenter : Entity;

public sealed record Folder : Entity;

/// <summary>Whether the center can talk to a host.</summary>
public enum HostConnection
{
    /// <summary>Joined, first contact not made yet.</summary>
    Connecting,
    Connected,

    /// <summary>It should answer and does not: what is known of its machines is old.</summary>
    NotResponding,

    /// <summary>An administrator took it out of use.</summary>
    Disconnected,

    /// <summary>What answers at its address has another certificate than the host that was joined: an administrator must look.</summary>
    Untrusted,

    /// <summary>It was powered down on purpose and answers again when it is woken.</summary>
    Standby,
}

/// <summary>Whether a host is being emptied for work on it.</summary>
public enum HostMaintenance
{
    /// <summary>It runs machines.</summary>
    None,

    /// <summary>It is emptied after others that go into maintenance together with it: its machines run on there until then; none comes.</summary>
    Next,

    /// <summary>Its machines are being moved away; none comes.</summary>
    Entering,

    /// <summary>No machine runs on it and none may.</summary>
    In,
}

/// <summary><see cref="HostMaintenance"/> as people say it.</summary>
public static class HostMaintenanceText
{
    public static string Words(this HostMaintenance maintenance) => maintenance switch
    {
        HostMaintenance.None => "running machines",
        HostMaintenance.Next => "next to be put into maintenance",
        HostMaintenance.Entering => "being put into maintenance",
        _ => "in maintenance",
    };
}

/// <summary>A joined host.</summary>
public sealed record Host : Entity
{
    /// <summary>Host name or IP and port of the host link.</summary>
    public required string Address { get; init; }

    /// <summary>SHA-256 fingerprint of its certificate, upper-case hexadecimal.</summary>
    public required string Fingerprint { get; init; }

    public HostConnection Connection { get; init; }

    /// <summary>Why it is not connected, or null.</summary>
    public string? Problem { get; init; }

    /// <summary>What it said of itself last; null before the first contact.</summary>
    public HostFacts? Facts { get; init; }

    public HostMaintenance Maintenance { get; init; }

    public HostStandby Standby { get; init; }

    /// <summary>How it is woken: this, or <see cref="Redfish"/>, or neither; then it is never put to standby.</summary>
    public WakeOnLan? WakeOnLan { get; init; }

    public Redfish? Redfish { get; init; }

    /// <summary>How often waking it has failed since it answered last.</summary>
    public int FailedWakes { get; init; }

    /// <summary>A host that was woken so often in vain is not counted on until it answers.</summary>
    public const int MostFailedWakes = 3;

    /// <summary>It sleeps, and comes when it is woken as far as anybody knows.</summary>
    [JsonIgnore]
    public bool IsReserve => Standby == HostStandby.In && CanBeWoken && FailedWakes < MostFailedWakes;

    [JsonIgnore]
    public bool CanBeWoken => WakeOnLan is not null || Redfish is not null;

    /// <summary>Why it could not be powered down for a standby, or null where nothing is known to be in the way.</summary>
    [JsonIgnore]
    public string? PowerDownProblem => Redfish is null ? Facts?.PowerDownProblem : null;

    /// <summary>Datastores as this host sees them.</summary>
    public ImmutableArray<HostDatastore> Datastores { get; init; } = [];

    /// <summary>Names of the port groups it offers.</summary>
    public ImmutableArray<string> PortGroups { get; init; } = [];
}

/// <summary>A virtual machine or (when its spec says so) a template.</summary>
public sealed record VirtualMachine : Entity
{
    public required DatastorePath Config { get; init; }

    /// <summary>The host it is registered on.</summary>
    public EntityId? Host { get; init; }

    /// <summary>The resource pool that it is in, of its host's cluster; null for the cluster itself.</summary>
    public EntityId? Pool { get; init; }

    /// <summary>What it is made of; null while its files are invalid.</summary>
    public MachineSpec? Spec { get; init; }

    public string? InvalidReason { get; init; }

    public PowerState Power { get; init; }

    /// <summary>True while its host does not answer: the rest is what was known last.</summary>
    public bool IsStale { get; init; }

    public long LockEpoch { get; init; }

    public GuestFacts? Guest { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>The CPU that its guest sees, as long as it is on: what it was started with stays whatever its cluster's baseline becomes.</summary>
    public string? CpuModel { get; init; }

    /// <summary>The task that is changing this machine now, or null: two never do at once.</summary>
    public string? BusyTask { get; init; }

    [JsonIgnore]
    public bool IsTemplate => Spec?.IsTemplate ?? false;

    /// <summary>A machine whose state nobody knows may run: what it takes is not given away.</summary>
    [JsonIgnore]
    public bool MayRun => Power != PowerState.Off;
}

public sealed record Datastore : Entity
{
    /// <summary>Directory that every host mounts it at.</summary>
    public required string Path { get; init; }

    public Bytes Capacity { get; init; }

    public Bytes Free { get; init; }
}

/// <summary>A layer-2 network offered on every host of its datacenter.</summary>
public sealed record PortGroup : Entity
{
    public required int Vni { get; init; }

    public PortGroupSpec Spec => new(Id, Name, Vni);
}

/// <summary>A part of what a cluster has: its machines share what it is promised and held to, whatever hosts they run on.</summary>
public sealed record ResourcePool : Entity
{
    public PoolControls Controls { get; init; } = new();
}
