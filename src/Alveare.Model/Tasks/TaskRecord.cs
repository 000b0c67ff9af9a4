using System.Collections.Immutable;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Model.Tasks;

public enum TaskState
{
    /// <summary>Waiting for a place, such as a migration slot of a host.</summary>
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
}

/// <summary>One operation being carried out, or its outcome. Every task ends.</summary>
public sealed record TaskRecord
{
    /// <summary>Such as <c>task-42</c>; numbers rise and are never used twice.</summary>
    public required string Id { get; init; }

    /// <summary>Name of the operation, such as <c>vm.power-on</c>.</summary>
    public required string Operation { get; init; }

    public required EntityId Target { get; init; }

    public required string TargetName { get; init; }

    /// <summary>The files of the machine that it is about, as they were when it was accepted: another with the same identity may be found meanwhile.</summary>
    public DatastorePath? TargetFiles { get; init; }

    public required string User { get; init; }

    /// <summary>Why it is done, when nobody asked for it by itself; null for what a user asked for.</summary>
    public string? Reason { get; init; }

    public TaskState State { get; init; }

    /// <summary>0 to 100, or null when it cannot be known.</summary>
    public double? Percent { get; init; }

    /// <summary>What it does right now, for people.</summary>
    public string? Step { get; init; }

    /// <summary>Live-migration progress, while there is one.</summary>
    public MigrationProgress? Migration { get; init; }

    public required DateTimeOffset QueuedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The object it made or the place it moved to, when it succeeded and there is one.</summary>
    public EntityId? Result { get; init; }

    /// <summary>The name of <see cref="Result"/> when the task ended.</summary>
    public string? ResultName { get; init; }

    /// <summary>From where to where a migration goes, once that is decided.</summary>
    public MachineMove? Move { get; init; }

    /// <summary>Objects that it keeps, or is about to keep, in a state which must not outlive it, such as hosts in maintenance.</summary>
    public ImmutableArray<EntityId> Holds { get; init; } = [];

    /// <summary>The machine that it makes is to be powered on then.</summary>
    public bool PowersOn { get; init; }

    /// <summary>Figures of a finished migration.</summary>
    public MigrationFigures? Figures { get; init; }

    public Fault? Fault { get; init; }

    public bool CancelRequested { get; init; }

    /// <summary>Counts up with every change of this record.</summary>
    public long Version { get; init; }

    public bool HasEnded => State is TaskState.Succeeded or TaskState.Failed or TaskState.Cancelled;
}

/// <summary>A live migration that was arranged: what an engine that starts again needs to find out how it went.</summary>
public sealed record MachineMove(Guid Migration, EntityId Source, EntityId Target);

/// <summary>What a live migration cost.</summary>
/// <param name="Total">From the task's start to the guest running on the target.</param>
/// <param name="Pause">How long the guest stood still: the source's QEMU's measure plus the switch on the target.</param>
/// <param name="DirtyBytesPerSecond">How fast the guest rewrote memory meanwhile, on the average; 0 also when it was over before that was known.</param>
public sealed record MigrationFigures(TimeSpan Total, TimeSpan Pause, Bytes Transferred, double DirtyBytesPerSecond = 0);
