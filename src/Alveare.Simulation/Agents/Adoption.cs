using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Agents;

/// <summary>Brings a restarted agent up to what is: registered machines, the QEMUs that ran on without it, and those that ended meanwhile.</summary>
internal sealed class Adoption(Ground ground, Board board, MachineTable machines, MachineFiles files, PowerControl power, Migrations migrations)
{
    public void Run()
    {
        var processes = ground.World.Defect == Defect.NoAdoption ? [] : ground.Disk.Processes.ToArray();
        foreach (var (id, config) in ground.Disk.Machines.ToArray())
            machines.AddVisiting(files.Describe(id, config));
        foreach (var machine in machines.All.Where(m => processes.All(p => p.Machine != m.Id)))
            ground.World.Begin($"Releasing the lock of '{machine.Name}'", () => ReleaseForgottenLockAsync(machine));
        foreach (var qemu in processes)
            Adopt(qemu);
    }

    private AgentMachine MachineOf(SimulatedQemu qemu) =>
        machines.TryFind(qemu.Machine) ?? machines.AddVisiting(files.Describe(qemu.Machine, qemu.Config));

    /// <summary>After a crash of the agent in the middle of a start there is a lock of ours and no process.</summary>
    private async Task ReleaseForgottenLockAsync(AgentMachine machine)
    {
        using var entered = await machine.EnterAsync();
        var held = await ground.InsistAsync(() => ground.ReadLock(machine.Current.Config));
        if (machine.Run is not null || held.Owner != ground.Host)
            return;
        await ground.ReleaseAsync(machine.Current.Config, held.Epoch);
        machine.Change(m => m with { LockEpoch = held.Epoch + 1 });
    }

    private void Adopt(SimulatedQemu qemu)
    {
        var machine = MachineOf(qemu);
        if (qemu.Record.Migration is { } migration)
        {
            var run = power.Adopt(machine, qemu, migration.Role == MigrationRole.Source ? PowerState.On : PowerState.Off);
            migrations.Resume(machine, run, migration);
            return;
        }

        var adopted = power.Adopt(machine, qemu, qemu.Executes ? PowerState.On : PowerState.Paused);
        machine.Change(m => m with { LockEpoch = qemu.Record.LockEpoch });
        if (!qemu.HasEnded)
            ground.World.Begin($"Looking after the lock of '{machine.Name}'", () => FenceAsync(machine, adopted));
    }

    /// <summary>A process whose lock went to another host while no agent was here must not execute.</summary>
    private async Task FenceAsync(AgentMachine machine, MachineRun run)
    {
        var held = await ground.InsistAsync(() => ground.ReadLock(run.Qemu.Config));
        if (held.Owner == ground.Host || run.Qemu.HasEnded || run.Qemu.Record.LockEpoch > held.Epoch)
            return;
        run.EndReason = EndReason.MovedAway;
        run.Qemu.Kill("fenced");
        board.Raise("vm.fenced", machine.Id, $"Virtual machine '{machine.Name}' was ended here: '{held.OwnerName ?? "nobody"}' holds its lock since epoch {held.Epoch}.", isProblem: true);
    }
}
