namespace Alveare.Model.Clusters;

/// <summary>What a cluster does by itself about hosts that are not needed, or needed again.</summary>
public enum PowerSavingMode
{
    /// <summary>Nothing: hosts sleep and wake by hand alone.</summary>
    Off,

    /// <summary>Standby and waking are recommended; an administrator applies them.</summary>
    Manual,

    /// <summary>Hosts are put to standby and woken.</summary>
    Automatic,
}

/// <summary>How a cluster saves power.</summary>
public sealed record PowerSavingSettings
{
    public static readonly PowerSavingSettings Default = new();

    public const int MinTarget = 30;
    public const int MaxTarget = 90;
    public const int MinBand = 5;
    public const int MaxBand = 40;
    public const int MaxLeastHosts = 1000;
    public static readonly TimeSpan MinPatience = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan MaxPatience = TimeSpan.FromHours(24);

    public PowerSavingMode Mode { get; init; }

    /// <summary>Percent of the hosts that are on which is to be used.</summary>
    public int TargetPercent { get; init; } = 63;

    /// <summary>Percent around the target: above it hosts are woken, below it they are put to standby.</summary>
    public int BandPercent { get; init; } = 18;

    /// <summary>So many hosts stay on.</summary>
    public int LeastHosts { get; init; } = 1;

    /// <summary>The hosts that are on must be able to carry their machines if any one of them fails.</summary>
    public bool KeepsSpare { get; init; }

    /// <summary>So long a host must not be needed before it goes to standby.</summary>
    public TimeSpan StandbyAfter { get; init; } = TimeSpan.FromMinutes(40);

    /// <summary>So long a host more must be needed before one is woken.</summary>
    public TimeSpan WakeAfter { get; init; } = TimeSpan.FromMinutes(5);
}
