using Alveare.Model;
using Alveare.Model.Hosts;

namespace Alveare.Simulation.Processes;

/// <summary>What an agent writes beside a process, so that the next agent finds it.</summary>
/// <param name="LockEpoch">The epoch the lock is held at; 0 for a destination that does not hold it yet.</param>
/// <param name="Migration">The migration in progress, or null.</param>
/// <param name="ArrivedBy">The migration that brought the machine here.</param>
public sealed record RunRecord(DateTimeOffset StartedAt, long LockEpoch, MigrationRecord? Migration = null, Guid? ArrivedBy = null, string? CpuModel = null);

/// <summary>One end of a migration as it is remembered beside the process.</summary>
/// <param name="SourceEpoch">Whoever publishes the next epoch has the machine.</param>
/// <param name="Uri">Where a destination listens.</param>
public sealed record MigrationRecord(Guid Id, MigrationRole Role, EntityId Peer, long SourceEpoch, MigrationSettings Settings, string? Uri);
