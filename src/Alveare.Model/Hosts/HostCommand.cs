using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Model.Hosts;

/// <summary>The closed set of things a host can be told to do. Every <c>IHost</c> implementation has one case per record.</summary>
/// <remarks>A command either succeeds with its <see cref="HostReply"/> or throws a <c>FaultException</c>, having taken back what it half did.
/// Commands are idempotent where that has a meaning: repeating one whose answer was lost gives the same answer or a state fault, never
/// a second effect.</remarks>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "command")]
[JsonDerivedType(typeof(MountDatastore), "mount-datastore")]
[JsonDerivedType(typeof(UnmountDatastore), "unmount-datastore")]
[JsonDerivedType(typeof(ApplyPortGroups), "apply-port-groups")]
[JsonDerivedType(typeof(ApplyPools), "apply-pools")]
[JsonDerivedType(typeof(CreateMachine), "create-machine")]
[JsonDerivedType(typeof(RegisterMachine), "register-machine")]
[JsonDerivedType(typeof(UnregisterMachine), "unregister-machine")]
[JsonDerivedType(typeof(ReconfigureMachine), "reconfigure-machine")]
[JsonDerivedType(typeof(SetMachineResources), "set-machine-resources")]
[JsonDerivedType(typeof(RenameMachine), "rename-machine")]
[JsonDerivedType(typeof(DestroyMachine), "destroy-machine")]
[JsonDerivedType(typeof(CloneMachine), "clone-machine")]
[JsonDerivedType(typeof(StartMachine), "start-machine")]
[JsonDerivedType(typeof(StopMachine), "stop-machine")]
[JsonDerivedType(typeof(ResetMachine), "reset-machine")]
[JsonDerivedType(typeof(PauseMachine), "pause-machine")]
[JsonDerivedType(typeof(ResumeMachine), "resume-machine")]
[JsonDerivedType(typeof(ShutDownGuest), "shut-down-guest")]
[JsonDerivedType(typeof(CheckMovable), "check-movable")]
[JsonDerivedType(typeof(PrepareIncoming), "prepare-incoming")]
[JsonDerivedType(typeof(SendMachine), "send-machine")]
[JsonDerivedType(typeof(AwaitIncoming), "await-incoming")]
[JsonDerivedType(typeof(CancelMigration), "cancel-migration")]
[JsonDerivedType(typeof(ReadStatistics), "read-statistics")]
[JsonDerivedType(typeof(PowerDownHost), "power-down-host")]
[JsonDerivedType(typeof(SendWakePacket), "send-wake-packet")]
public abstract record HostCommand;

/// <summary>Offer a datastore: a directory (local, or shared storage mounted by the administrator) whose marker file carries the datastore's
/// id. A directory with another id is refused with <c>DatastoreIsAnother</c>. Repeating it with a new name renames.</summary>
/// <param name="Mark">Write the marker file when there is none. Only for a datastore that no host offers yet: else an empty mount point,
/// or another host's local directory of the same path, would pass for the shared storage.</param>
public sealed record MountDatastore(EntityId Datastore, string Name, string Path, bool Mark = false) : HostCommand;

/// <summary>Stop offering a datastore. Its files stay. Refused while a machine of it is registered here.</summary>
public sealed record UnmountDatastore(EntityId Datastore) : HostCommand;

/// <summary>Make the port groups that the host offers exactly these: missing ones are built, others removed, from under a running machine when
/// it has ended.</summary>
public sealed record ApplyPortGroups(ImmutableArray<PortGroupSpec> PortGroups) : HostCommand;

/// <summary>Divide by exactly these resource pools from now on, also after a restart, until others are told.</summary>
public sealed record ApplyPools(ImmutableArray<HostPool> Pools) : HostCommand
{
    public bool Equals(ApplyPools? other) => other is not null && Pools.SequenceEqual(other.Pools);

    public override int GetHashCode() => Pools.Length;
}

/// <summary>One host's part of a resource pool.</summary>
/// <param name="Parent">The pool it is in; null, or none of those that the host knows, for the root.</param>
/// <param name="Cpu">What of the pool's CPU is this host's to give to the pool's machines here.</param>
/// <param name="Machines">Those in the pool itself, running or not.</param>
public sealed record HostPool(EntityId Pool, EntityId? Parent, CpuControl Cpu, ImmutableArray<EntityId> Machines)
{
    /// <summary>As of its CPU; null where the center that says it does not divide memory.</summary>
    public MemoryControl? Memory { get; init; }

    /// <summary>As of its CPU.</summary>
    public DiskControl Disk { get; init; } = DiskControl.None;

    /// <summary>As of its CPU.</summary>
    public PoolNetworkControl Network { get; init; } = PoolNetworkControl.None;

    public bool Equals(HostPool? other) =>
        other is not null && Pool == other.Pool && Parent == other.Parent && Cpu == other.Cpu && Memory == other.Memory && Disk == other.Disk && Network == other.Network
        && Machines.SequenceEqual(other.Machines);

    public override int GetHashCode() => HashCode.Combine(Pool, Cpu);
}

/// <summary>Write a new machine's files (with empty disks of the given capacities) and register it. <paramref name="Config"/> must not exist.</summary>
public sealed record CreateMachine(DatastorePath Config, MachineSpec Spec) : HostCommand;

/// <summary>Register an existing <c>.vmx</c>. An unreadable one is registered as invalid with the reason. Answers <see cref="MachineReply"/>.</summary>
public sealed record RegisterMachine(DatastorePath Config) : HostCommand;

/// <summary>Forget a machine; its files stay. Refused while it runs here.</summary>
public sealed record UnregisterMachine(EntityId Machine) : HostCommand;

/// <summary>Replace a powered-off machine's configuration. Disks may be added (created empty) and grown, never shrunk.</summary>
public sealed record ReconfigureMachine(EntityId Machine, MachineSpec Spec) : HostCommand;

/// <summary>Write what a machine is promised and held to into its configuration, and hold it to it at once if it runs. Answers <see cref="MachineReply"/>.</summary>
public sealed record SetMachineResources(EntityId Machine, ResourceControls Resources) : HostCommand
{
    /// <summary>By disk, in their order; a disk beyond them keeps what it has.</summary>
    public ImmutableArray<DiskControl> Disks { get; init; } = [];

    /// <summary>By network card, likewise.</summary>
    public ImmutableArray<NicControl> Nics { get; init; } = [];

    public MachineSpec ApplyTo(MachineSpec spec) => spec.WithControls(Resources, Disks, Nics);
}

/// <summary>Write another name into a machine's configuration, also while it runs; its files are called what they were. Answers <see cref="MachineReply"/>.</summary>
public sealed record RenameMachine(EntityId Machine, string Name) : HostCommand;

/// <summary>Delete a machine's files and forget it. Refused for a disk that linked clones stand on.</summary>
/// <param name="PowerOff">Power it off first; without this it must be off.</param>
public sealed record DestroyMachine(EntityId Machine, bool PowerOff = false) : HostCommand;

/// <summary>How a clone's disks relate to the source's.</summary>
public enum CloneKind
{
    /// <summary>A complete copy.</summary>
    Full,

    /// <summary>An overlay on the source's disk, which must stay unchanged: the source must be a template or powered off.</summary>
    Linked,
}

/// <summary>Make a new machine from the files of another one (registered here or not) and register it here. <paramref name="Target"/> gives
/// the whole configuration of the new machine but for disk files, which are named after the target.</summary>
public sealed record CloneMachine(
    DatastorePath Source,
    DatastorePath Target,
    MachineSpec Spec,
    CloneKind Kind,
    GuestCustomization? Customization) : HostCommand;

/// <summary>Start a registered machine: take its on-disk lock, then start QEMU. <paramref name="MinLockEpoch"/> is the newest epoch the
/// sender knows; a host that finds an older one on disk, or a lock held elsewhere, refuses. A machine that is started
/// <paramref name="Paused"/> stands before its first instruction until <see cref="ResumeMachine"/>.</summary>
/// <param name="CpuModel">What the guest sees where the machine's configuration names no CPU: its cluster's baseline. Null: the portable default.</param>
public sealed record StartMachine(EntityId Machine, long MinLockEpoch, bool Paused = false, string? CpuModel = null) : HostCommand;

/// <summary>Power off at once.</summary>
public sealed record StopMachine(EntityId Machine) : HostCommand;

public sealed record ResetMachine(EntityId Machine) : HostCommand;

/// <summary>Let the guest stand still, in memory. Answers <see cref="MachineReply"/>.</summary>
public sealed record PauseMachine(EntityId Machine) : HostCommand;

/// <summary>Let a paused guest go on. Answers <see cref="MachineReply"/>.</summary>
public sealed record ResumeMachine(EntityId Machine) : HostCommand;

/// <summary>Ask the guest to shut down: by its agent, else by ACPI. Answers when the request was delivered.</summary>
public sealed record ShutDownGuest(EntityId Machine) : HostCommand;

/// <summary>Say whether a machine that runs could move live as far as its QEMU knows: a <c>DeviceNotMovable</c> fault says what is in the way. Nothing is changed.</summary>
public sealed record CheckMovable(EntityId Machine) : HostCommand;

/// <summary>Destination, phase prepare: register <paramref name="Config"/> and start a QEMU that listens for the memory. It will not run the
/// guest unless it wins the on-disk lock from <paramref name="SourceLockEpoch"/>. Answers <see cref="IncomingReady"/>.</summary>
/// <param name="CpuModel">What the guest sees on the source (<see cref="HostMachine.CpuModel"/>).</param>
public sealed record PrepareIncoming(
    Guid Migration,
    EntityId Machine,
    DatastorePath Config,
    EntityId SourceHost,
    long SourceLockEpoch,
    MigrationSettings Settings,
    string? CpuModel = null) : HostCommand;

/// <summary>Source, phases transfer and switch: copy the memory to <paramref name="Uri"/>, with <see cref="MigrationProgress"/>. Answers
/// <see cref="SendFinished"/> once the on-disk lock says who has the machine; a fault means it runs on here (or died, which the fault says).</summary>
public sealed record SendMachine(Guid Migration, EntityId Machine, EntityId TargetHost, string Uri, MigrationSettings Settings) : HostCommand;

/// <summary>Destination: wait until the incoming machine runs here (<see cref="IncomingFinished"/>) or is given up (a fault).</summary>
public sealed record AwaitIncoming(Guid Migration) : HostCommand;

/// <summary>Either end: give a migration up if it has not switched. The source's guest runs on; a destination's waiting QEMU ends and the
/// machine is unregistered there. Succeeds, doing nothing, when the migration is not known (any more).</summary>
public sealed record CancelMigration(Guid Migration) : HostCommand;

/// <summary>Read the counters of all running machines now, beside the regular interval. Answers <see cref="StatisticsReply"/>.</summary>
public sealed record ReadStatistics : HostCommand;

/// <summary>Power this host down, or make it ready to be: it takes no machine from then on, until it is up again or nothing has come of it
/// for minutes. Refused while a machine runs here, and by an agent that was given no command to power its host down by.</summary>
/// <param name="ByController">Its baseboard controller is about to be asked to shut it down: the agent runs no command of its own.</param>
public sealed record PowerDownHost(bool ByController) : HostCommand;

/// <summary>Send a Wake-on-LAN packet for another host into the networks of this one.</summary>
public sealed record SendWakePacket(string Mac, string Broadcast) : HostCommand;

/// <summary>What a command answers.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "reply")]
[JsonDerivedType(typeof(Done), "done")]
[JsonDerivedType(typeof(MachineReply), "machine")]
[JsonDerivedType(typeof(IncomingReady), "incoming-ready")]
[JsonDerivedType(typeof(SendFinished), "send-finished")]
[JsonDerivedType(typeof(IncomingFinished), "incoming-finished")]
[JsonDerivedType(typeof(StatisticsReply), "statistics")]
public abstract record HostReply;

public sealed record Done : HostReply
{
    public static readonly Done Instance = new();
}

/// <summary>The machine as it is after the command.</summary>
public sealed record MachineReply(HostMachine Machine) : HostReply;

/// <summary>Where the destination listens, such as <c>tcp:198.18.0.12:49152</c>.</summary>
public sealed record IncomingReady(string Uri) : HostReply;

/// <summary>The source's end: the machine belongs to the target now.</summary>
/// <param name="Pause">How long the guest stood still as far as the source's QEMU measured.</param>
public sealed record SendFinished(TimeSpan Total, TimeSpan Pause, Bytes Transferred) : HostReply;

/// <summary>The destination's end: the guest runs here.</summary>
/// <param name="SwitchTime">From the last byte of memory to the guest running: lock taken and machine continued.</param>
public sealed record IncomingFinished(TimeSpan SwitchTime, HostMachine Machine) : HostReply;

public sealed record StatisticsReply(StatisticsSampled Samples) : HostReply;

/// <summary>Something of a machine that can be opened as a byte stream.</summary>
public enum HostChannelKind
{
    /// <summary>The serial console, both ways.</summary>
    Serial,

    /// <summary>The VNC protocol of the machine's screen.</summary>
    Vnc,

    /// <summary>The machine's log file from its beginning, read only.</summary>
    Log,
}

/// <summary>Names a stream to open on a host.</summary>
public sealed record HostChannel(EntityId Machine, HostChannelKind Kind);
