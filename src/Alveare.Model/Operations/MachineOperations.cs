using System.Collections.Immutable;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Model.Security;

namespace Alveare.Model.Operations;

// Creating happens in a place: the target of these is the datacenter; Folder narrows it.

[Operation(EntityKind.Datacenter, "create-vm", Privilege.VmCreate, "Create a virtual machine with empty disks.")]
public sealed record CreateVm : Operation
{
    public required string Name { get; init; }

    public EntityId? Folder { get; init; }

    public required EntityId Datastore { get; init; }

    /// <summary>Host or cluster to place it on, or resource pool to put it into; null lets placement choose among all hosts of the datacenter.</summary>
    public EntityId? Location { get; init; }

    public int Cpus { get; init; } = 1;

    public Bytes Memory { get; init; } = Bytes.FromMib(512);

    public Firmware Firmware { get; init; } = Firmware.Bios;

    /// <summary>Capacity of each disk.</summary>
    public IReadOnlyList<Bytes> Disks { get; init; } = [];

    /// <summary>Names of the port groups, one NIC each.</summary>
    public IReadOnlyList<string> PortGroups { get; init; } = [];
}

[Operation(EntityKind.Datacenter, "register-vm", Privilege.VmCreate, "Register a virtual machine from its files.")]
public sealed record RegisterVm : Operation
{
    public required EntityId Datastore { get; init; }

    /// <summary>Path of the .vmx in the datastore.</summary>
    public required string Path { get; init; }

    public EntityId? Folder { get; init; }

    public EntityId? Location { get; init; }
}

[Operation(EntityKind.VirtualMachine, "unregister", Privilege.VmDelete, "Remove a machine from the inventory; its files stay.", States = PowerStates.Off | PowerStates.Unknown, OnTemplates = true)]
public sealed record UnregisterVm : Operation;

[Operation(EntityKind.VirtualMachine, "unregister-elsewhere", Privilege.VmConfigure, "Take a machine's registration from every connected host that is not its own; the center does so by itself.", States = PowerStates.Known, OnTemplates = true)]
public sealed record UnregisterElsewhere : Operation;

[Operation(EntityKind.VirtualMachine, "destroy", Privilege.VmDelete, "Delete a machine and its files.", States = PowerStates.Off, OnTemplates = true)]
public sealed record DestroyVm : Operation
{
    /// <summary>A machine that is on is powered off first, at once; else it is refused.</summary>
    public bool PowerOff { get; init; }

    public override PowerStates LegalIn(OperationAttribute rules) => PowerOff ? PowerStates.Known : rules.States;
}

[Operation(EntityKind.VirtualMachine, "power-on", Privilege.VmPower, "Power on; a host of a cluster that saves power is woken when no other has room.", States = PowerStates.Off, Cancellable = true)]
public sealed record PowerOn : Operation
{
    /// <summary>Host to start on; null keeps the registered host if it fits (where placement is automatic: and is not much busier than the best), else lets placement choose.</summary>
    public EntityId? Host { get; init; }

    /// <summary>Stand before the first instruction until it is resumed.</summary>
    public bool Paused { get; init; }
}

[Operation(EntityKind.VirtualMachine, "power-off", Privilege.VmPower, "Power off at once, like pulling the plug.", States = PowerStates.Running)]
public sealed record PowerOff : Operation;

[Operation(EntityKind.VirtualMachine, "reset", Privilege.VmPower, "Reset, like the reset button.", States = PowerStates.Running)]
public sealed record ResetVm : Operation;

[Operation(EntityKind.VirtualMachine, "pause", Privilege.VmPower, "Let the guest stand still, in memory.", States = PowerStates.On)]
public sealed record PauseVm : Operation;

[Operation(EntityKind.VirtualMachine, "resume", Privilege.VmPower, "Let a paused guest go on.", States = PowerStates.Paused)]
public sealed record ResumeVm : Operation;

[Operation(EntityKind.VirtualMachine, "shutdown-guest", Privilege.VmPower, "Ask the guest to shut down, and wait until it is off.", States = PowerStates.On, Cancellable = true)]
public sealed record ShutdownGuest : Operation
{
    /// <summary>How long to wait for the guest; the task then fails and the machine runs on.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(3);
}

[Operation(EntityKind.VirtualMachine, "clone", Privilege.VmCreate, "Clone a machine or deploy a template.", States = PowerStates.Off, OnTemplates = true, Cancellable = true, SharesTarget = true)]
public sealed record CloneVm : Operation
{
    public required string Name { get; init; }

    public EntityId? Folder { get; init; }

    /// <summary>Null: the source's datastore.</summary>
    public EntityId? Datastore { get; init; }

    public EntityId? Location { get; init; }

    public CloneKind Kind { get; init; }

    /// <summary>Null: as the source.</summary>
    public int? Cpus { get; init; }

    public Bytes? Memory { get; init; }

    /// <summary>Null: as the source; else one NIC each.</summary>
    public IReadOnlyList<string>? PortGroups { get; init; }

    public GuestCustomization? Customization { get; init; }

    /// <summary>Make a template instead of a machine.</summary>
    public bool AsTemplate { get; init; }

    public bool PowerOn { get; init; }
}

[Operation(EntityKind.Cluster, "power-on-vms", Privilege.VmPower, "Power on machines of a cluster in the order that its start-after rules give.", Cancellable = true)]
public sealed record PowerOnVms : Operation
{
    /// <summary>Those to power on; none for all that are off. Those that are on already are left alone.</summary>
    public ImmutableArray<EntityId> Vms { get; init; } = [];

    /// <summary>How long a step is waited for at most until the guest agents of the one before have answered, up to an hour; 0 for not at all.</summary>
    public TimeSpan GuestWait { get; init; }
}

[Operation(EntityKind.VirtualMachine, "mark-template", Privilege.VmConfigure, "Turn a machine into a template.", States = PowerStates.Off)]
public sealed record MarkTemplate : Operation;

[Operation(EntityKind.VirtualMachine, "mark-vm", Privilege.VmConfigure, "Turn a template back into a machine.", States = PowerStates.Off, OnTemplates = true)]
public sealed record MarkVm : Operation;

[Operation(EntityKind.VirtualMachine, "reconfigure", Privilege.VmConfigure, "Change CPUs, memory, NICs or disks of a powered-off machine.", States = PowerStates.Off)]
public sealed record ReconfigureVm : Operation
{
    public int? Cpus { get; init; }

    public Bytes? Memory { get; init; }

    public IReadOnlyList<string>? PortGroups { get; init; }

    /// <summary>Capacities of further disks.</summary>
    public IReadOnlyList<Bytes> AddDisks { get; init; } = [];
}

[Operation(EntityKind.VirtualMachine, "rename", Privilege.VmConfigure, "Rename a machine or template, also while it runs; its directory and files keep their names.", OnTemplates = true)]
public sealed record RenameVm : Operation
{
    public required string Name { get; init; }
}

[Operation(EntityKind.VirtualMachine, "set-resources", Privilege.VmConfigure, "Change what a machine is promised, held to and weighs, also while it runs; what is not given stays as it is.", States = PowerStates.Known, OnTemplates = true)]
public sealed record SetResources : Operation
{
    public Megahertz? CpuReservation { get; init; }

    /// <summary>0 for none.</summary>
    public Megahertz? CpuLimit { get; init; }

    /// <summary>0 for normal: 1000 per virtual CPU.</summary>
    public int? CpuShares { get; init; }

    /// <summary>The shares in a word, instead of a number.</summary>
    public ShareLevel? CpuShareLevel { get; init; }

    public Bytes? MemoryReservation { get; init; }

    /// <summary>0 for none.</summary>
    public Bytes? MemoryLimit { get; init; }

    /// <summary>0 for normal: 10 per MiB.</summary>
    public int? MemoryShares { get; init; }

    /// <summary>The shares in a word, instead of a number.</summary>
    public ShareLevel? MemoryShareLevel { get; init; }

    /// <summary>The disk that the following are about, from 1; null for every disk.</summary>
    public int? Disk { get; init; }

    /// <summary>Reads and writes a second, 0 for no limit.</summary>
    public int? IopsLimit { get; init; }

    /// <summary>Bytes a second, 0 for no limit.</summary>
    public Bytes? DiskBandwidthLimit { get; init; }

    /// <summary>0 for normal: 1000.</summary>
    public int? DiskShares { get; init; }

    /// <summary>The network card that the following are about, from 1; null for every one.</summary>
    public int? Nic { get; init; }

    /// <summary>Bytes that the guest sends a second, 0 for no limit, peak and burst.</summary>
    public Bytes? OutLimit { get; init; }

    /// <summary>Bytes a second while a burst lasts, 0 for as fast as it goes.</summary>
    public Bytes? OutPeak { get; init; }

    /// <summary>Bytes that go faster than the limit after a rest, 0 for what the limit sends in a twentieth of a second.</summary>
    public Bytes? OutBurst { get; init; }

    /// <summary>Bytes that the guest is sent a second, likewise.</summary>
    public Bytes? InLimit { get; init; }

    public Bytes? InPeak { get; init; }

    public Bytes? InBurst { get; init; }

    /// <summary>Of a network card, up to 100; 0 for normal: 50.</summary>
    public int? NicShares { get; init; }
}

[Operation(EntityKind.VirtualMachine, "migrate", Privilege.VmMigrate, "Move to another host: live when it runs, by registration when it is off.", States = PowerStates.On | PowerStates.Off, OnTemplates = true, Cancellable = true)]
public sealed record MigrateVm : Operation
{
    /// <summary>Target host; null lets placement choose another one than the present.</summary>
    public EntityId? Host { get; init; }

    /// <summary>Bytes per second, 0 for no limit; of each machine that moves.</summary>
    public long BandwidthLimit { get; init; }

    /// <summary>The machines on its host that rules which must hold keep together with it move with it, to the same host. Without it a rule that
    /// is kept now refuses to let one of them go alone.</summary>
    public bool WithGroup { get; init; }
}
