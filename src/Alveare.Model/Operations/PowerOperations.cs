using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Model.Security;

namespace Alveare.Model.Operations;

[Operation(EntityKind.Host, "set-power", Privilege.HostManage, "Say how a host is woken from standby: by Wake-on-LAN, by its baseboard controller, or not at all.")]
public sealed record SetHostPower : Operation
{
    public WakeOnLan? WakeOnLan { get; init; }

    /// <summary>Instead of <see cref="WakeOnLan"/>. The controller is asked at once whether it can be used.</summary>
    public Redfish? Redfish { get; init; }

    /// <summary>Of the controller's user; null keeps the one that is stored, where user and certificate are the same.</summary>
    public string? Password { get; init; }
}

[Operation(EntityKind.Host, "enter-standby", Privilege.HostManage, "Move a host's machines to others and power it down until it is woken.", Cancellable = true)]
public sealed record EnterStandby : Operation
{
    /// <summary>Whether it fails where a rule that only should hold, and is kept, would be broken by it. Power saving asks so.</summary>
    public bool KeepsPreferences { get; init; }
}

[Operation(EntityKind.Host, "exit-standby", Privilege.HostManage, "Wake a host that is in standby and wait until it runs machines again.", Cancellable = true)]
public sealed record ExitStandby : Operation;

[Operation(EntityKind.Cluster, "set-power-saving", Privilege.HostManage, "Change how a cluster puts hosts to standby and wakes them; what is not given stays as it is.")]
public sealed record SetPowerSaving : Operation
{
    public PowerSavingMode? Mode { get; init; }

    /// <summary>Percent of the hosts that are on which is to be used, 30 to 90.</summary>
    public int? TargetPercent { get; init; }

    /// <summary>Percent around the target, 5 to 40: above it hosts are woken, below it they are put to standby.</summary>
    public int? BandPercent { get; init; }

    /// <summary>So many hosts stay on, 1 to 1000.</summary>
    public int? LeastHosts { get; init; }

    /// <summary>The hosts that are on must be able to carry their machines if any one of them fails.</summary>
    public bool? KeepsSpare { get; init; }

    /// <summary>So long a host must not be needed before it goes to standby, 1 minute to 24 hours.</summary>
    public TimeSpan? StandbyAfter { get; init; }

    /// <summary>So long a host more must be needed before one is woken, 1 minute to 24 hours.</summary>
    public TimeSpan? WakeAfter { get; init; }
}
