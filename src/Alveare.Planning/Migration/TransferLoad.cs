namespace Alveare.Planning.Migration;

/// <summary>What a live migration of a machine has to send, whatever the link.</summary>
/// <remarks>Memory is sent while the guest goes on writing to it, and what it writes meanwhile is sent again: a transfer takes as long as the memory at the link's speed less the
/// rate of writing (Clark et al. 2005). So the same guest is much dearer over a link that is hardly faster than it writes.</remarks>
/// <param name="Overhead">MB that are sent for each MB of memory that the machine takes, were nothing written meanwhile.</param>
/// <param name="DirtyMbPerSecond">MB that are written again in a second.</param>
public readonly record struct TransferLoad(double Overhead, double DirtyMbPerSecond = 0)
{
    // However fast a guest writes its transfer gets on: QEMU slows it down (auto-converge) until it does.
    private const double LeastProgress = 0.1;

    private const double LeastOverhead = 0.01;
    private const double MostOverhead = 10;

    /// <summary>What a migration that has been made says of its machine: over the same link the next is expected to take as long.</summary>
    public static TransferLoad Measured(double memoryMb, double sentMb, double seconds, double dirtyMbPerSecond)
    {
        var again = Math.Min(dirtyMbPerSecond * seconds, (1 - LeastProgress) * sentMb);
        return new(Math.Clamp((sentMb - again) / memoryMb, LeastOverhead, MostOverhead), again / seconds);
    }

    /// <summary>How long so much memory takes over a link that sends so much in a second.</summary>
    public double Seconds(double memoryMb, double mbPerSecond) =>
        memoryMb * Overhead / Math.Max(mbPerSecond - DirtyMbPerSecond, LeastProgress * mbPerSecond);
}
