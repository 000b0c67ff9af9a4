using Alveare.Model;

namespace Alveare.Simulation.Processes;

/// <summary>How far a QEMU is with sending or receiving a machine's memory.</summary>
public enum TransferState
{
    None,
    Active,
    Completed,
    Failed,
}

/// <summary>What QEMU says of a migration at either end.</summary>
public sealed record TransferStatus(TransferState State, Bytes Total, Bytes Transferred, string? Error, TimeSpan TotalTime)
{
    public static readonly TransferStatus None = new(TransferState.None, Bytes.Zero, Bytes.Zero, null, TimeSpan.Zero);

    /// <summary>What every simulated guest stands still for while the last of its memory is sent.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    public Bytes Remaining => Total - Transferred;
}
