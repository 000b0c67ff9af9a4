using Alveare.Model.Resources;
using Alveare.Model.Security;

namespace Alveare.Model.Operations;

/// <summary>An operation that sets controls of a resource pool; what is not given stays as it is.</summary>
public abstract record PoolChange : Operation
{
    public Megahertz? CpuReservation { get; init; }

    /// <summary>0 for none.</summary>
    public Megahertz? CpuLimit { get; init; }

    /// <summary>0 for normal: as a machine with four virtual CPUs.</summary>
    public int? CpuShares { get; init; }

    /// <summary>Whether the pool may ask the one above for what it lacks.</summary>
    public bool? CpuExpandable { get; init; }

    public Bytes? MemoryReservation { get; init; }

    /// <summary>0 for none.</summary>
    public Bytes? MemoryLimit { get; init; }

    /// <summary>0 for normal: as a machine with 16 GiB.</summary>
    public int? MemoryShares { get; init; }

    /// <summary>Whether the pool may ask the one above for what it lacks.</summary>
    public bool? MemoryExpandable { get; init; }

    /// <summary>Of reads and writes a second of all disks together; 0 for none.</summary>
    public int? IopsLimit { get; init; }

    /// <summary>Of bytes that all disks read and write in a second; 0 for none.</summary>
    public Bytes? DiskBandwidthLimit { get; init; }

    /// <summary>0 for normal: as four disks.</summary>
    public int? DiskShares { get; init; }

    /// <summary>Of bytes that all network cards send in a second; 0 for none.</summary>
    public Bytes? OutLimit { get; init; }

    /// <summary>Of bytes that all network cards are sent in a second; 0 for none.</summary>
    public Bytes? InLimit { get; init; }

    /// <summary>0 for normal: as four network cards.</summary>
    public int? NicShares { get; init; }

    /// <summary>The controls after the change.</summary>
    public PoolControls Change(PoolControls present) => new()
    {
        Cpu = new PoolCpuControl
        {
            Reservation = CpuReservation ?? present.Cpu.Reservation,
            Limit = Optional.Changed(present.Cpu.Limit, CpuLimit),
            Shares = Optional.Changed(present.Cpu.Shares, CpuShares),
            IsExpandable = CpuExpandable ?? present.Cpu.IsExpandable,
        },
        Memory = new PoolMemoryControl
        {
            Reservation = MemoryReservation ?? present.Memory.Reservation,
            Limit = Optional.Changed(present.Memory.Limit, MemoryLimit),
            Shares = Optional.Changed(present.Memory.Shares, MemoryShares),
            IsExpandable = MemoryExpandable ?? present.Memory.IsExpandable,
        },
        Disk = new DiskControl
        {
            IopsLimit = Optional.Changed(present.Disk.IopsLimit, IopsLimit),
            BandwidthLimit = Optional.Changed(present.Disk.BandwidthLimit, DiskBandwidthLimit),
            Shares = Optional.Changed(present.Disk.Shares, DiskShares),
        },
        Network = new PoolNetworkControl
        {
            OutLimit = Optional.Changed(present.Network.OutLimit, OutLimit),
            InLimit = Optional.Changed(present.Network.InLimit, InLimit),
            Shares = Optional.Changed(present.Network.Shares, NicShares),
        },
    };
}

[Operation(EntityKind.Cluster, "create-pool", Privilege.InventoryChange, "Create a resource pool, whose machines share what it has.")]
public sealed record CreatePool : PoolChange
{
    public required string Name { get; init; }

    /// <summary>The pool to create it in, or null for the cluster itself.</summary>
    public EntityId? Pool { get; init; }
}

[Operation(EntityKind.ResourcePool, "update", Privilege.InventoryChange, "Change what a resource pool is promised, held to and weighs; what is not given stays as it is.")]
public sealed record UpdatePool : PoolChange;

[Operation(EntityKind.ResourcePool, "move", Privilege.InventoryChange, "Move a resource pool, with all that is in it, into its cluster itself or another pool of it.")]
public sealed record MovePool : Operation
{
    public required EntityId Into { get; init; }
}

[Operation(EntityKind.ResourcePool, "destroy", Privilege.InventoryChange, "Remove a resource pool; its machines and pools go to what it was in.")]
public sealed record DestroyPool : Operation;

[Operation(EntityKind.VirtualMachine, "move-to-pool", Privilege.VmConfigure, "Put a machine into a resource pool of its cluster, or out of any.", OnTemplates = true)]
public sealed record MoveToPool : Operation
{
    /// <summary>Null for the cluster itself.</summary>
    public EntityId? Pool { get; init; }
}
