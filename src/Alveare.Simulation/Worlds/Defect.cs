namespace Alveare.Simulation.Worlds;

/// <summary>A mistake that a host could be programmed with: proof that the invariants notice.</summary>
public enum Defect
{
    None,

    /// <summary>A destination continues the guest without winning the lock.</summary>
    DestinationSkipsLock,

    /// <summary>A source takes its machine back without winning the lock.</summary>
    SourceSkipsLock,

    /// <summary>A start does not look whether another host holds the lock.</summary>
    StartSkipsLock,

    /// <summary>Neither end of a migration writes its taking of the lock before the switch.</summary>
    TakingIsNotPrepared,

    /// <summary>A restarted agent forgets the QEMUs that ran on without it.</summary>
    NoAdoption,

    /// <summary>A machine that was powered off keeps its lock.</summary>
    LockIsNotReleased,

    /// <summary>A host does not say that a QEMU has died.</summary>
    DeathIsNotReported,

    /// <summary>A host says that it has reconfigured a machine, and has written nothing.</summary>
    ChangeIsNotWritten,

    /// <summary>The engine's store acknowledges before it has written.</summary>
    StoreForgets,
}
