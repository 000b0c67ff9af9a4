namespace Alveare.Cluster.Tests.Cluster;

/// <summary>Numbers of the signals that tests send.</summary>
internal static class LinuxSignal
{
    public const int Continue = 18;

    /// <summary>Freezes a process: it lives, holds its connections, and does nothing.</summary>
    public const int Stop = 19;
}
