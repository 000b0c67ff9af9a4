using Alveare.Model;

namespace Alveare.Planning.Migration;

/// <summary>How many parallel connections carry the memory of a live migration.</summary>
public static class TransferChannels
{
    /// <summary>A host takes part in several migrations at once: one of them must not take all its threads.</summary>
    public const int Most = 8;

    /// <summary>Smaller machines are through in moments with one stream.</summary>
    public static readonly Bytes LeastMemory = Bytes.FromGib(4);

    /// <summary>One connection for every four threads of the smaller host, because each takes a thread at both ends while their guests run
    /// on; 0, which is QEMU's single stream, for a small machine or a small host.</summary>
    /// <param name="memory">Of the machine that moves.</param>
    public static int Choose(Bytes memory, int sourceThreads, int targetThreads)
    {
        var channels = Math.Min(Math.Min(sourceThreads, targetThreads) / 4, Most);
        return memory < LeastMemory || channels < 2 ? 0 : channels;
    }
}
