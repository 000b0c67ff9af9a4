namespace Alveare.Simulation.Scenarios;

/// <summary>A mistake that a cluster could be balanced with, or save power with: proof that the watchers of a <see cref="BalanceScenario"/> and of a
/// <see cref="PowerScenario"/> notice.</summary>
public enum ClusterDefect
{
    None,

    /// <summary>Rules are not looked at: the engine does not know those that the watcher knows.</summary>
    RulesAreIgnored,

    /// <summary>A machine is moved again as soon as it has come.</summary>
    RestIsIgnored,

    /// <summary>Hosts are given more machines than they have memory for, and promise more CPU than they have: the engine takes them for larger.</summary>
    RoomIsOverpromised,

    /// <summary>Nothing is moved, however uneven the hosts are.</summary>
    NothingIsMoved,

    /// <summary>Machines are started on a host that is in maintenance.</summary>
    MaintenanceIsIgnored,

    /// <summary>A resource pool that may not expand does.</summary>
    PoolsExpand,

    /// <summary>One host after the other is put to standby, and none is woken, whatever is needed.</summary>
    HostsAreNotWoken,

    /// <summary>A host is put to standby as soon as it is up, and woken as soon as it sleeps.</summary>
    HostsGoBackAndForth,
}
