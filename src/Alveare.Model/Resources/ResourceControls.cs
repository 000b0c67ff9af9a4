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

public sealed record CpuControl
{
    public Megahertz Reservation { get; init; }

    /// <summary>Null for none.</summary>
    public Megahertz? Limit { get; init; }

    /// <summary>Null for <see cref="ShareScale.NormalCpu"/> per virtual CPU.</summary>
    public int? Shares { get; init; }
}

public sealed record MemoryControl
{
    /// <summary>What the host's kernel is to leave to the machine when memory is short.</summary>
    public Bytes Reservation { get; init; }
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

    public const int Max = 1_000_000;

    /// <summary>The CPU shares that a machine has, in effect.</summary>
    public static int CpuShares(CpuControl control, int cpus) => control.Shares ?? NormalCpu * cpus;
}
