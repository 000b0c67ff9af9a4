using Alveare.Model.Faults;
using Alveare.Model.Machines;
using Alveare.Planning.Placement;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Agents;

/// <summary>Turns machines on and off, and cleans up after a QEMU that ended, whatever it ended of.</summary>
internal sealed class PowerControl(Ground ground, Board board)
{
    private World World => ground.World;

    /// <summary>Asked first when a QEMU has ended: a migration decides about the lock of a machine that takes part in it.</summary>
    public Func<AgentMachine, MachineRun, Task<bool>>? EndedInMigration { get; set; }

    public async Task StartAsync(AgentMachine machine, long minLockEpoch, bool paused, string? cpuModel)
    {
        using var entered = await machine.EnterAsync();
        machine.RequireOff();
        var config = machine.Current.Config;
        var spec = ground.ReadSpec(config);
        if (spec.IsTemplate)
            throw new FaultException(new InvalidState(spec.Name, "a template", "a virtual machine (a template is cloned, not started)"));
        RequireParts(config, spec);
        var epoch = ground.Take(config, spec.Name, minLockEpoch);
        SimulatedQemu qemu;
        try
        {
            qemu = await LaunchAsync(config, spec, r => r with { LockEpoch = epoch, CpuModel = spec.CpuModel ?? cpuModel ?? CpuBaselines.Default });
        }
        catch (FaultException)
        {
            await ground.ReleaseAsync(config, epoch);
            throw;
        }

        machine.Change(m => m with { Spec = spec, InvalidReason = null, LockEpoch = epoch });
        Adopt(machine, qemu, paused ? PowerState.Paused : PowerState.On);
        if (!paused)
            qemu.Continue();
    }

    /// <summary>Starts a QEMU whose guest does not execute yet.</summary>
    public async Task<SimulatedQemu> LaunchAsync(DatastorePath config, MachineSpec spec, Func<RunRecord, RunRecord> record)
    {
        await World.PauseAsync(30);
        var qemu = new SimulatedQemu(ground.Plant, ground.Host, ground.Facts.HostName, spec, config, ground.Store(config));
        qemu.Record = record(qemu.Record);
        ground.Disk.Processes.Add(qemu);
        World.Tell($"{ground.Facts.HostName}: QEMU of {spec.Name} started");
        return qemu;
    }

    /// <summary>Takes a QEMU as the machine's own and watches for its end.</summary>
    public MachineRun Adopt(AgentMachine machine, SimulatedQemu qemu, PowerState power)
    {
        var run = machine.Run = new MachineRun(qemu);
        machine.Change(m => m with
        {
            Power = power,
            StartedAt = power == PowerState.Off ? null : qemu.Record.StartedAt,
            CpuModel = power == PowerState.Off ? null : qemu.Record.CpuModel,
        });
        World.Begin($"Watching over '{machine.Name}'", () => SuperviseAsync(machine, run));
        return run;
    }

    public static async Task StopAsync(AgentMachine machine)
    {
        MachineRun run;
        using (await machine.EnterAsync())
        {
            run = machine.RequireRun();
            RequireNoMigration(machine);
            run.EndReason = EndReason.PoweredOff;
            run.Qemu.Quit("powered off");
        }

        await run.CleanedUp.Task;
    }

    public static async Task PauseAsync(AgentMachine machine)
    {
        using var entered = await machine.EnterAsync();
        var run = machine.RequireRun();
        RequireNoMigration(machine);
        run.Qemu.Stop();
        machine.Change(m => m with { Power = PowerState.Paused });
    }

    public static async Task ResumeAsync(AgentMachine machine)
    {
        using var entered = await machine.EnterAsync();
        var run = machine.RequireRun();
        RequireNoMigration(machine);
        machine.Change(m => m with { Power = PowerState.On });
        run.Qemu.Continue();
    }

    private static void RequireNoMigration(AgentMachine machine)
    {
        if (machine.Current.Migration is { } migration)
            throw new FaultException(new InvalidState(machine.Name, $"being migrated ({migration.Id})", "in no migration: cancel it first"));
    }

    /// <summary>The guest powers itself off a little later, unless it is deaf.</summary>
    public void ShutDownGuest(AgentMachine machine)
    {
        var qemu = machine.RequireRun().Qemu;
        if (!qemu.Executes)
            throw new FaultException(new GuestNotReachable(machine.Name, "it does not execute"));
        World.Nature.Enter(() => World.Begin("A guest's shutdown", async () =>
        {
            await World.PauseAsync(2000);
            if (qemu.Executes)
                qemu.Quit("the guest powered it off");
        }));
    }

    private async Task SuperviseAsync(AgentMachine machine, MachineRun run)
    {
        await run.Qemu.Ended;
        await World.PauseAsync(5);
        if (EndedInMigration is { } migration && await migration(machine, run))
            return;
        using (await machine.EnterAsync())
        {
            var epoch = run.Qemu.Record.LockEpoch;
            await ground.ReleaseAsync(run.Qemu.Config, epoch);
            ground.Disk.Processes.Remove(run.Qemu);
            machine.Run = null;
            if (World.Defect != Defect.DeathIsNotReported || run.EndReason == EndReason.PoweredOff)
                machine.Change(m => m.PoweredOff() with { LockEpoch = epoch + 1 });
        }

        Announce(machine, run);
        run.CleanedUp.TrySetResult();
    }

    /// <summary>Raises the event for a QEMU that ended, unless somebody here ended it.</summary>
    public void Announce(AgentMachine machine, MachineRun run)
    {
        if (run.EndReason == EndReason.None)
            Announce(machine, run.Qemu);
    }

    public void Announce(AgentMachine machine, SimulatedQemu qemu)
    {
        if (qemu.EndedInOrder)
            board.Raise("vm.guest-powered-off", machine.Id, $"The guest of virtual machine '{machine.Name}' powered it off.", isProblem: false);
        else
            board.Raise("vm.died", machine.Id, new MachineDied(machine.Name, qemu.EndCause ?? "unknown").Message, isProblem: true);
    }

    private void RequireParts(DatastorePath config, MachineSpec spec)
    {
        foreach (var nic in spec.Nics.Where(n => ground.Disk.PortGroups.All(p => p.Name != n.PortGroup)))
            throw new FaultException(new NetworkNotAccessible(nic.PortGroup, ground.Facts.HostName));
        foreach (var file in spec.Disks.Select(d => config.Sibling(d.File).Path).Where(f => ground.Store(config).Find(f) is null))
            throw new FaultException(new FileNotFoundFault(file));
    }
}
