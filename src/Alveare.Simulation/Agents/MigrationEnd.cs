using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Agents;

/// <summary>What the two ends of a migration share of their agent.</summary>
internal sealed record MigrationGround(Ground Ground, MachineTable Machines, PowerControl Power);

/// <summary>One end of a live migration, from its beginning (or its adoption by a restarted agent) to its outcome.</summary>
/// <remarks>Whoever publishes the lock's next epoch after <see cref="MigrationRecord.SourceEpoch"/> has the machine; see
/// docs/decisions/0002-the-lock-arbitrates-migration.md.</remarks>
internal abstract class MigrationEnd(AgentMachine machine, MachineRun run, MigrationRecord record, MigrationGround ground)
{
    private readonly TaskCompletionSource<HostReply> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public MigrationRecord Record { get; } = record;

    public AgentMachine Machine { get; } = machine;

    public Task<HostReply> Outcome => outcome.Task;

    /// <summary>Nothing is left to do: whoever asked has been told, and the machine takes part in it no more.</summary>
    public bool IsOver => Outcome.IsCompleted && Machine.Current.Migration?.Id != Record.Id;

    protected MachineRun Run { get; } = run;

    protected SimulatedQemu Qemu => Run.Qemu;

    protected MigrationGround Around { get; } = ground;

    protected Ground Ground => Around.Ground;

    protected World World => Ground.World;

    protected long NextEpoch => Record.SourceEpoch + 1;

    public void Begin(MigrationPhase phase)
    {
        Enter(phase);
        World.Begin($"Migrating '{Machine.Name}'", RunAsync);
    }

    public abstract Task CancelAsync();

    /// <summary>Decides what becomes of the machine when its QEMU has ended in the middle; false leaves it to the ordinary way.</summary>
    public abstract Task<bool> OnProcessEndedAsync();

    protected abstract Task RunAsync();

    protected void Enter(MigrationPhase phase) =>
        Machine.Change(m => m with { Migration = new HostMigration(Record.Id, Record.Role, phase) });

    protected void Succeed(HostReply reply) => outcome.TrySetResult(reply);

    protected void Fail(string reason, string? runsOn)
    {
        if (outcome.TrySetException(new FaultException(new MigrationFailed(Machine.Name, reason, runsOn))))
            World.Tell($"{Ground.Facts.HostName}: migration of {Machine.Name} failed: {reason}");
        // Nobody may be waiting.
        _ = outcome.Task.Exception;
    }

    /// <summary>The lock, as soon as it can be read.</summary>
    protected Task<LockRecord> ReadLockAsync() => Ground.InsistAsync(() => Ground.ReadLock(Qemu.Config));

    /// <summary>The lock, or null when it cannot be read now.</summary>
    protected LockRecord? TryReadLock()
    {
        try
        {
            return Ground.ReadLock(Qemu.Config);
        }
        catch (FaultException)
        {
            return null;
        }
    }
}
