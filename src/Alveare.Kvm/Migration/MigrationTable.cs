using Alveare.Core.Hosts;
using Alveare.Core.Tasks;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Planning.Placement;

namespace Alveare.Kvm.Migration;

/// <summary>The live migrations of this host: those that go on, and the outcome of the latest for whoever asks again.</summary>
public sealed class MigrationTable
{
    private const int KeptOutcomes = 256;

    // One that waits for memory does not answer, and can be moved all the same.
    private static readonly TimeSpan CheckPatience = TimeSpan.FromSeconds(1);

    private readonly MigrationGround ground;
    private readonly KnownMigrations migrations = new(KeptOutcomes);

    public MigrationTable(MigrationGround ground)
    {
        this.ground = ground;
        ground.Power.EndedInMigration = OnProcessEndedAsync;
    }

    /// <summary>Refuses a machine of which QEMU says that it cannot be migrated; of one whose QEMU says nothing nothing is known.</summary>
    public static async Task CheckMovableAsync(Machine machine)
    {
        TransferStatus status;
        try
        {
            status = TransferStatus.Parse(await machine.RequireRun().Qmp.ExecuteAsync("query-migrate").WaitAsync(CheckPatience));
        }
        catch (Exception e) when (e is QmpException or QmpClosedException or TimeoutException)
        {
            return;
        }

        if (!status.Blockers.IsEmpty)
            throw new FaultException(new DeviceNotMovable(machine.Name, "QEMU", $"says: {string.Join("; ", status.Blockers.Select(b => b.TrimEnd('.')))}"));
    }

    public async Task<IncomingReady> PrepareAsync(PrepareIncoming command, CancellationToken cancellation)
    {
        if (migrations.Find(command.Migration) is IncomingMigration { Uri: { } known })
            return new IncomingReady(known);
        RequireLockOfSource(command);
        var spec = ground.Ground.ReadSpec(command.Config);
        var machine = ground.Listing.AddVisiting(new HostMachine
        {
            Id = command.Machine,
            Config = command.Config,
            Spec = spec,
            Power = PowerState.Off,
            LockEpoch = command.SourceLockEpoch,
        });
        using var entered = await machine.EnterAsync(cancellation);
        machine.RequireOff();
        await using var undo = new UndoStack();
        undo.Push(() => ground.Machines.Return(machine));
        // Before anything runs: a host that cannot write the machine down refuses it here, and not when the guest has come.
        ground.Machines.Expect(machine);
        var record = new MigrationRecord(
            command.Migration, MigrationRole.Destination, command.SourceHost, command.SourceLockEpoch, command.Settings);
        machine.Change(m => m with { Migration = new HostMigration(record.Id, record.Role, MigrationPhase.Prepare) });
        // At the switch the guest stands still until one of the two has published it.
        ground.Ground.Prepare(command.Config, command.SourceLockEpoch + 1);
        var run = await ground.Launcher.LaunchAsync(
            machine, spec, command.CpuModel ?? spec.CpuModel ?? CpuBaselines.Default, 0, record, paused: false, e => ground.Power.OnEvent(machine, e), cancellation);
        undo.Clear();

        var incoming = new IncomingMigration(machine, run, record, ground);
        migrations.Add(incoming);
        ground.Power.Adopt(machine, run, PowerState.Off);
        try
        {
            return new IncomingReady(await incoming.BeginAsync());
        }
        catch (Exception e) when (e is QmpException or QmpClosedException or IOException or UnauthorizedAccessException or FaultException)
        {
            run.Process.Kill();
            throw new FaultException(new MigrationFailed(machine.Name, e.Message, ground.Ground.TryReadLock(command.Config)?.OwnerName), e);
        }
    }

    public async Task<HostReply> SendAsync(SendMachine command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        var migration = migrations.Find(command.Migration) ?? await BeginSendAsync(command, progress, cancellation);
        if (migration is OutgoingMigration known && progress is not null)
            known.Listener = progress;
        return await migration.Outcome.WaitAsync(cancellation);
    }

    public Task<HostReply> AwaitIncomingAsync(Guid migration, CancellationToken cancellation)
    {
        if (migrations.Find(migration) is { } known)
            return known.Outcome.WaitAsync(cancellation);
        var arrived = ground.Machines.All.FirstOrDefault(m => m.Run?.Record.ArrivedBy == migration)
            ?? throw new FaultException(new NotFound("migration", migration.ToString()));
        return Task.FromResult<HostReply>(new IncomingFinished(TimeSpan.Zero, arrived.Current));
    }

    public Task CancelAsync(Guid migration) => migrations.Find(migration) is { } known ? known.CancelAsync() : Task.CompletedTask;

    /// <summary>Goes on with a migration whose QEMU a restarted agent has found. The machine's run is adopted already.</summary>
    public void Resume(Machine machine, MachineRun run, MigrationRecord record)
    {
        if (record.Role == MigrationRole.Source)
        {
            var outgoing = new OutgoingMigration(machine, run, record, ground);
            migrations.Add(outgoing);
            outgoing.Resume();
        }
        else
        {
            var incoming = new IncomingMigration(machine, run, record, ground);
            migrations.Add(incoming);
            incoming.Resume();
        }
    }

    private async Task<MigrationEnd> BeginSendAsync(SendMachine command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        var machine = ground.Machines.Find(command.Machine);
        using var entered = await machine.EnterAsync(cancellation);
        var run = machine.RequireRun();
        if (machine.Current.Migration is { } other)
            throw new FaultException(new InvalidState(machine.Name, $"taking part in migration {other.Id}", "in no migration"));
        if (machine.Current.Power != PowerState.On)
            throw new FaultException(new InvalidPowerState(machine.Name, machine.Current.Power, PowerStates.On));
        var record = new MigrationRecord(
            command.Migration, MigrationRole.Source, command.TargetHost, machine.Current.LockEpoch, command.Settings);
        ground.Ground.Prepare(machine.Current.Config, record.SourceEpoch + 1);
        var outgoing = new OutgoingMigration(machine, run, record, ground) { Listener = progress };
        migrations.Add(outgoing);
        // One that ends from now on is the migration's to see to; of one that has ended already it may not have been known.
        if (run.Qmp.Closed.IsCompleted)
        {
            migrations.Remove(outgoing);
            throw new FaultException(new MachineDied(machine.Name, "its process ended before the migration began"));
        }

        outgoing.Begin(command.Uri);
        return outgoing;
    }

    private void RequireLockOfSource(PrepareIncoming command)
    {
        var state = ground.Ground.ReadLock(command.Config);
        if (state.Epoch != command.SourceLockEpoch)
            throw new FaultException(new StaleEpoch(command.Config.FileName, command.SourceLockEpoch, state.Epoch));
        if (state.Owner != command.SourceHost)
            throw new FaultException(new MachineLocked(command.Config.FileName, state.OwnerName ?? "nobody", state.Epoch));
    }

    private async Task<bool> OnProcessEndedAsync(Machine machine, MachineRun run, QemuEnd end)
    {
        if (migrations.GoingOn(machine) is not { } migration)
            return false;
        try
        {
            return await migration.OnProcessEndedAsync(end);
        }
        catch (Exception e)
        {
            // Whatever that was: the machine is off in the ordinary way, and whoever waits for the migration hears of it.
            migration.Fail(new MigrationFailed(machine.Name, $"its process ended ({end.Describe()}), and the end of the migration could not be seen to: {e.Message}", RunsOn: null));
            return false;
        }
    }
}
