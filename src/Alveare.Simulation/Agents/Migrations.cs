using Alveare.Core.Hosts;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Processes;

namespace Alveare.Simulation.Agents;

/// <summary>The live migrations of an agent: those that go on, and the outcome of the latest for whoever asks again.</summary>
internal sealed class Migrations
{
    private readonly MigrationGround ground;
    private readonly Dictionary<Guid, MigrationEnd> known = [];

    public Migrations(MigrationGround ground)
    {
        this.ground = ground;
        ground.Power.EndedInMigration = async (machine, run) =>
            known.Values.FirstOrDefault(m => m.Machine == machine && !m.IsOver) is { } migration && await migration.OnProcessEndedAsync();
    }

    public async Task<IncomingReady> PrepareAsync(PrepareIncoming command)
    {
        if (known.TryGetValue(command.Migration, out var before) && before is IncomingEnd { Record.Uri: { } listening })
            return new IncomingReady(listening);
        RequireLockOfSource(command);
        var spec = ground.Ground.ReadSpec(command.Config);
        var machine = ground.Machines.AddVisiting(new HostMachine
        {
            Id = command.Machine,
            Config = command.Config,
            Spec = spec,
            Power = PowerState.Off,
            LockEpoch = command.SourceLockEpoch,
        });
        using var entered = await machine.EnterAsync();
        machine.RequireOff();
        try
        {
            ground.Ground.Prepare(command.Config, command.SourceLockEpoch + 1);
            var qemu = await ground.Power.LaunchAsync(command.Config, spec, r => r with { CpuModel = command.CpuModel });
            var uri = ground.Ground.Plant.Listen(qemu, ground.Ground.Facts.MigrationAddress);
            var record = new MigrationRecord(
                command.Migration, MigrationRole.Destination, command.SourceHost, command.SourceLockEpoch, command.Settings, uri);
            qemu.Record = qemu.Record with { Migration = record };
            Resume(machine, ground.Power.Adopt(machine, qemu, PowerState.Off), record);
            return new IncomingReady(uri);
        }
        catch (FaultException)
        {
            ground.Machines.Return(machine);
            throw;
        }
    }

    public async Task<HostReply> SendAsync(SendMachine command, IProgress<HostProgress>? progress)
    {
        if (!known.TryGetValue(command.Migration, out var migration))
            migration = await BeginSendAsync(command);
        if (migration is OutgoingEnd outgoing && progress is not null)
            outgoing.Listener = progress;
        return await migration.Outcome;
    }

    public Task<HostReply> AwaitIncomingAsync(Guid migration)
    {
        if (known.TryGetValue(migration, out var waiting))
            return waiting.Outcome;
        var arrived = ground.Machines.All.FirstOrDefault(m => m.Run?.Qemu.Record.ArrivedBy == migration)
            ?? throw new FaultException(new NotFound("migration", migration.ToString()));
        return Task.FromResult<HostReply>(new IncomingFinished(TimeSpan.Zero, arrived.Current));
    }

    public Task CancelAsync(Guid migration) => known.TryGetValue(migration, out var end) ? end.CancelAsync() : Task.CompletedTask;

    /// <summary>Begins one end, or goes on with it after an agent's restart. The machine's run is adopted already.</summary>
    public void Resume(AgentMachine machine, MachineRun run, MigrationRecord record)
    {
        MigrationEnd end = record.Role == MigrationRole.Source
            ? new OutgoingEnd(machine, run, record, ground)
            : new IncomingEnd(machine, run, record, ground);
        known[record.Id] = end;
        end.Begin(record.Role == MigrationRole.Source ? MigrationPhase.Transfer : MigrationPhase.Prepare);
    }

    private async Task<MigrationEnd> BeginSendAsync(SendMachine command)
    {
        var machine = ground.Machines.Find(command.Machine);
        using var entered = await machine.EnterAsync();
        var run = machine.RequireRun();
        if (machine.Current.Migration is { } other)
            throw new FaultException(new InvalidState(machine.Name, $"taking part in migration {other.Id}", "in no migration"));
        if (machine.Current.Power != PowerState.On || run.Qemu.HasEnded)
            throw new FaultException(new InvalidPowerState(machine.Name, machine.Current.Power, PowerStates.On));
        var record = new MigrationRecord(
            command.Migration, MigrationRole.Source, command.TargetHost, machine.Current.LockEpoch, command.Settings, null);
        ground.Ground.Prepare(machine.Current.Config, record.SourceEpoch + 1);
        run.Qemu.Record = run.Qemu.Record with { Migration = record };
        run.Qemu.Send(command.Uri);
        Resume(machine, run, record);
        return known[command.Migration];
    }

    private void RequireLockOfSource(PrepareIncoming command)
    {
        var held = ground.Ground.ReadLock(command.Config);
        if (held.Epoch != command.SourceLockEpoch)
            throw new FaultException(new StaleEpoch(command.Config.FileName, command.SourceLockEpoch, held.Epoch));
        if (held.Owner != command.SourceHost)
            throw new FaultException(new MachineLocked(command.Config.FileName, held.OwnerName ?? "nobody", held.Epoch));
    }
}
