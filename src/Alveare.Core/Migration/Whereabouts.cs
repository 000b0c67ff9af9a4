using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Core.Migration;

/// <summary>What one end of a migration says of the machine.</summary>
/// <param name="Answers">False when the host could not be asked, or does not know.</param>
/// <param name="Machine">Null when the host does not have it.</param>
internal readonly record struct Sighting(bool Answers, HostMachine? Machine)
{
    /// <summary>What a host that answers says. One that does not know yet whether the machine runs there says no more than one that is away.</summary>
    public static Sighting Of(HostMachine? machine) => machine is { Power: PowerState.Unknown } ? default : new(true, machine);

    /// <summary>The guest executes here, or would but for being paused.</summary>
    public bool Runs => Machine is { Power: PowerState.On or PowerState.Paused } && !Waits;

    /// <summary>A process waits here for a guest that has not arrived.</summary>
    public bool Waits => Machine?.Migration is { Role: MigrationRole.Destination, Phase: not MigrationPhase.Commit };
}

/// <summary>Where a machine is that was migrating.</summary>
internal enum Whereabouts
{
    /// <summary>The hosts are still at it.</summary>
    GoingOn,
    OnTarget,
    OnSource,

    /// <summary>Its process died: it runs nowhere.</summary>
    Off,

    /// <summary>It did not leave the source, which cannot be asked whether it lives.</summary>
    SourceAway,

    /// <summary>It left the source for the target, which cannot be asked whether it lives.</summary>
    TargetAway,

    /// <summary>Neither host can be asked.</summary>
    BothAway,

    /// <summary>Both hosts answer and neither has it.</summary>
    Nowhere,
}

/// <summary>Reads off what both ends say where the machine is. Pure.</summary>
/// <remarks>A host only gives a machine up after the on-disk lock has moved, and only keeps one it received after it has the lock: so one
/// host's word is often enough.</remarks>
internal static class WhereaboutsReading
{
    public static Whereabouts Read(Guid migration, Sighting source, Sighting target)
    {
        if (target.Runs && !(IsBackAt(source, migration) && source.Machine!.LockEpoch >= target.Machine!.LockEpoch))
            return Whereabouts.OnTarget;
        if (!source.Answers)
            return ReadTargetOnly(target);
        return source.Machine switch
        {
            null => ReadLeft(target),
            { Power: PowerState.Off } => Whereabouts.Off,
            _ when IsBackAt(source, migration) => Whereabouts.OnSource,
            _ => Whereabouts.GoingOn,
        };
    }

    /// <summary>It runs on the source and takes no part in this migration (any more).</summary>
    private static bool IsBackAt(Sighting source, Guid migration) => source.Runs && source.Machine!.Migration?.Id != migration;

    private static Whereabouts ReadTargetOnly(Sighting target) => target switch
    {
        { Answers: false } => Whereabouts.BothAway,
        { Waits: true } => Whereabouts.GoingOn,
        { Machine: null } => Whereabouts.SourceAway,
        _ => Whereabouts.Off,
    };

    private static Whereabouts ReadLeft(Sighting target) => target switch
    {
        { Answers: false } => Whereabouts.TargetAway,
        { Waits: true } => Whereabouts.GoingOn,
        { Machine: null } => Whereabouts.Nowhere,
        _ => Whereabouts.Off,
    };
}
