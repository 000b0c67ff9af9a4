namespace Alveare.Model.Statistics;

/// <summary>One machine over one interval (20 s unless said otherwise). Rates are averages over the interval.</summary>
public sealed record MachineSample
{
    public required EntityId Machine { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>Host CPU time used per second of wall time, in percent of one CPU.</summary>
    public double CpuPercent { get; init; }

    /// <summary>Share of the interval that virtual CPUs wanted to run and did not get a host CPU, in percent.</summary>
    public double CpuReadyPercent { get; init; }

    /// <summary>Host memory that the machine takes (proportional set).</summary>
    public Bytes MemoryConsumed { get; init; }

    /// <summary>Memory the guest touched in the interval, estimated.</summary>
    public Bytes MemoryActive { get; init; }

    /// <summary>Memory that the guest has given back by its balloon; it is not in what is consumed.</summary>
    public Bytes MemoryBallooned { get; init; }

    public double DiskReadBytesPerSecond { get; init; }

    public double DiskWriteBytesPerSecond { get; init; }

    public double DiskReadsPerSecond { get; init; }

    public double DiskWritesPerSecond { get; init; }

    public double NetworkReceivedBytesPerSecond { get; init; }

    public double NetworkSentBytesPerSecond { get; init; }
}

/// <summary>One host over one interval.</summary>
public sealed record HostSample
{
    public required EntityId Host { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>In percent of one CPU, all of the host's work together.</summary>
    public double CpuPercent { get; init; }

    public Bytes MemoryUsed { get; init; }

    public double NetworkReceivedBytesPerSecond { get; init; }

    public double NetworkSentBytesPerSecond { get; init; }

    public int RunningMachines { get; init; }
}
