namespace Alveare.Simulation.Scenarios;

/// <summary>A mistake that a cluster could be balanced with: proof that the watchers of a <see cref="BalanceScenario"/> notice.</summary>
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
}
