namespace Alveare.Model.Resources;

/// <summary>What a machine is promised, held to, and weighs against others.</summary>
/// <remarks>The words are those of Waldspurger (OSDI 2002): a <b>reservation</b> is had whatever happens, a <b>limit</b> is never exceeded even
/// if more is idle, and what is left goes by <b>shares</b>.</remarks>
public sealed record ResourceControls
{
    /// <summary>Nothing promised, no limit, normal shares.</summary>
    public static readonly ResourceControls None = new();

    public CpuControl Cpu { get; init; } = new();

    public MemoryControl Memory { get; init; } = new();
}

/// <summary>What a resource pool is promised, held to, and weighs against its siblings; its machines and pools share it.</summary>
public sealed record PoolControls
{
    public PoolCpuControl Cpu { get; init; } = new();

    public PoolMemoryControl Memory { get; init; } = new();

    /// <summary>Of all disks of its machines together.</summary>
    public DiskControl Disk { get; init; } = DiskControl.None;

    /// <summary>Of all network cards of its machines together.</summary>
    public PoolNetworkControl Network { get; init; } = PoolNetworkControl.None;
}

/// <summary>The CPU of a machine, in megahertz of all its virtual CPUs together.</summary>
public record CpuControl
{
    public Megahertz Reservation { get; init; }

    /// <summary>Null for none.</summary>
    public Megahertz? Limit { get; init; }

    /// <summary>Null for normal: <see cref="ShareScale.NormalCpu"/> per virtual CPU, <see cref="ShareScale.NormalPoolCpu"/> for a pool.</summary>
    public int? Shares { get; init; }
}

/// <summary>The CPU of a resource pool.</summary>
public sealed record PoolCpuControl : CpuControl
{
    /// <summary>What it lacks for the reservations in it, it asks of the pool above.</summary>
    public bool IsExpandable { get; init; } = true;
}

/// <summary>The memory of a machine.</summary>
public record MemoryControl
{
    /// <summary>What the host's kernel leaves to the machine when memory is short.</summary>
    public Bytes Reservation { get; init; }

    /// <summary>The most that a machine's process takes; null for none.</summary>
    public Bytes? Limit { get; init; }

    /// <summary>Null for normal: <see cref="ShareScale.NormalMemory"/> per MiB, <see cref="ShareScale.NormalPoolMemory"/> for a pool.</summary>
    public int? Shares { get; init; }
}

/// <summary>The memory of a resource pool.</summary>
public sealed record PoolMemoryControl : MemoryControl
{
    /// <summary>What it lacks for the reservations in it, it asks of the pool above.</summary>
    public bool IsExpandable { get; init; } = true;
}

/// <summary>Shares in words.</summary>
public enum ShareLevel
{
    /// <summary>Half of normal.</summary>
    Low,
    Normal,

    /// <summary>Twice normal.</summary>
    High,
}

/// <summary>The usual numbers of shares, those that administrators know from vSphere; low is half and high is twice of each.</summary>
public static class ShareScale
{
    /// <summary>Per virtual CPU.</summary>
    public const int NormalCpu = 1000;

    /// <summary>Per MiB of memory.</summary>
    public const int NormalMemory = 10;

    /// <summary>Per virtual disk.</summary>
    public const int NormalDisk = 1000;

    /// <summary>Of a pool: as a machine with four virtual CPUs.</summary>
    public const int NormalPoolCpu = 4 * NormalCpu;

    /// <summary>Of a pool: as a machine with 16 GiB of memory.</summary>
    public const int NormalPoolMemory = 16 * 1024 * NormalMemory;

    /// <summary>Of a pool: as four virtual disks.</summary>
    public const int NormalPoolDisk = 4 * NormalDisk;

    public const int Max = 1_000_000;

    /// <summary>Of a network card; its scale ends at <see cref="MaxNic"/>.</summary>
    public const int NormalNic = 50;

    /// <summary>Of a pool: as four network cards.</summary>
    public const int NormalPoolNic = 4 * NormalNic;
    public const int MaxNic = 100;

    /// <summary>The disk shares that a machine has, in effect: those of its disks together.</summary>
    public static long DiskShares(IEnumerable<DiskControl> disks) => disks.Sum(d => (long)(d.Shares ?? NormalDisk));

    /// <summary>The shares that a word stands for; null, which stays normal whatever the machine becomes, for normal.</summary>
    public static int? Of(ShareLevel level, long normal) => level switch
    {
        ShareLevel.Low => (int)Math.Clamp(normal / 2, 1, Max),
        ShareLevel.High => (int)Math.Clamp(normal * 2, 1, Max),
        _ => null,
    };

    /// <summary>The memory shares of a machine that is given none.</summary>
    public static int NormalMemoryOf(Bytes memory) => (int)Math.Clamp(memory.Mib * NormalMemory, 1, int.MaxValue);

    /// <summary>The CPU shares that a machine has, in effect.</summary>
    public static int CpuShares(CpuControl control, int cpus) => control.Shares ?? NormalCpu * cpus;
}
