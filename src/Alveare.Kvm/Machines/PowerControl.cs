using Alveare.Core.Tasks;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Planning.Placement;

namespace Alveare.Kvm.Machines;

/// <summary>Turns machines on and off, and cleans up after a QEMU that ended, whatever it ended of.</summary>
public sealed class PowerControl(HostState state, Launcher launcher, Ground ground, Surroundings surroundings, MachineLog log)
{
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Asked first when a QEMU has ended: a migration decides about the lock of a machine that takes part in it.</summary>
    public Func<Machine, MachineRun, QemuEnd, Task<bool>>? EndedInMigration { get; set; }

    /// <summary>Told of every QEMU that was started here or adopted.</summary>
    public Action<Machine, MachineRun>? Adopted { get; set; }

    public async Task StartAsync(Machine machine, long minLockEpoch, bool paused, string? cpuModel, CancellationToken cancellation)
    {
        using var entered = await machine.EnterAsync(cancellation);
        machine.RequireOff();
        var config = machine.Current.Config;
        var spec = ground.ReadSpec(machine);
        if (spec.IsTemplate)
            throw new FaultException(new InvalidState(spec.Name, "a template", "a virtual machine (a template is cloned, not started)"));

        var epoch = ground.Take(config, spec.Name, minLockEpoch);
        await using var undo = new UndoStack();
        undo.Push(() => ground.Release(config, epoch));
        ground.RequireUnused(config, spec);
        var run = await launcher.LaunchAsync(machine, spec, spec.CpuModel ?? cpuModel ?? CpuBaselines.Default, epoch, incoming: null, paused, e => OnEvent(machine, e), cancellation);
        undo.Clear();
        machine.Change(m => m with { Spec = spec, InvalidReason = null, LockEpoch = epoch });
        Adopt(machine, run, paused ? PowerState.Paused : PowerState.On);
    }

    /// <summary>Takes a running QEMU as the machine's own and watches for its end.</summary>
    public void Adopt(Machine machine, MachineRun run, PowerState power)
    {
        machine.Run = run;
        machine.Change(m => m with
        {
            Power = power,
            StartedAt = power == PowerState.Off ? null : run.Record.StartedAt,
            CpuModel = power == PowerState.Off ? null : run.Record.CpuModel,
        });
        _ = SuperviseAsync(machine, run);
        Adopted?.Invoke(machine, run);
    }

    /// <param name="onGone">Deletes what the machine has: called with the machine entered and off and its lock still held, at the epoch that it is given. What it
    /// throws is thrown here, and then the lock is released.</param>
    public static async Task StopAsync(Machine machine, CancellationToken cancellation, Action<long>? onGone = null)
    {
        MachineRun run;
        using (await machine.EnterAsync(cancellation))
        {
            run = machine.RequireRun();
            // One that the migration has left to this host is its own, however long its guest is kept from going on.
            if (!run.IsDecided)
                RequireNoMigration(machine);
            run.OnGone = onGone;
            await PullPlugAsync(run, drain: onGone is null);
        }

        await run.Ended.WaitAsync(cancellation);
    }

    /// <summary>Ends a QEMU in the middle of whatever its guest does; nothing is on its way to a disk any more.</summary>
    /// <remarks>QEMU's <c>stop</c> waits for requests in flight and flushes every disk (7.2: vm_stop, bdrv_drain_all, bdrv_flush_all), so that
    /// images are whole and no late write meets the lock's next owner. Its <c>quit</c> does the same and then takes itself down piece by piece;
    /// the kernel does that faster.</remarks>
    /// <param name="drain">Whether what its guest has written is wanted. If not, the kernel ends the requests in flight with the process.</param>
    private static async Task PullPlugAsync(MachineRun run, bool drain)
    {
        run.EndReason = EndReason.PoweredOff;
        var stopped = drain ? run.Qmp.ExecuteAsync("stop", timeout: DrainTimeout) : Task.CompletedTask;
        // Should this agent end now, the next one must not take it for a machine that died.
        run.TryRemember(r => r with { IsPoweredOff = true });
        try
        {
            await stopped;
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            // It hangs or ends: then it is like a host that loses power.
        }

        run.Process.Kill();
    }

    public static async Task ResetAsync(Machine machine, CancellationToken cancellation)
    {
        using var entered = await machine.EnterAsync(cancellation);
        var run = machine.RequireRun();
        await CommandAsync(machine, run, "system_reset");
    }

    /// <summary>Lets the guest stand still.</summary>
    public static Task PauseAsync(Machine machine, CancellationToken cancellation) =>
        SwitchAsync(machine, "stop", PowerState.Paused, cancellation);

    /// <summary>Lets a guest that stands still go on.</summary>
    public static Task ResumeAsync(Machine machine, CancellationToken cancellation) =>
        SwitchAsync(machine, "cont", PowerState.On, cancellation);

    private static async Task SwitchAsync(Machine machine, string command, PowerState power, CancellationToken cancellation)
    {
        using var entered = await machine.EnterAsync(cancellation);
        var run = machine.RequireRun();
        RequireNoMigration(machine);
        await CommandAsync(machine, run, command);
        machine.Change(m => m with { Power = power });
    }

    private static void RequireNoMigration(Machine machine)
    {
        if (machine.Current.Migration is { } migration)
            throw new FaultException(new InvalidState(machine.Name, $"being migrated ({migration.Id})", "in no migration: cancel it first"));
    }

    /// <summary>Sends a command whose refusal or failure is the caller's fault to hear.</summary>
    public static async Task CommandAsync(Machine machine, MachineRun run, string command, object? arguments = null)
    {
        try
        {
            await run.Qmp.ExecuteAsync(command, arguments);
        }
        catch (QmpException e)
        {
            throw new FaultException(new HostOperationFailed($"The command '{command}' on virtual machine '{machine.Name}'", e.Description), e);
        }
        catch (QmpClosedException e)
        {
            throw new FaultException(new MachineDied(machine.Name, e.Message), e);
        }
    }

    /// <summary>What QEMU says by itself.</summary>
    public void OnEvent(Machine machine, QmpEvent happened)
    {
        switch (happened.Name)
        {
            case "SHUTDOWN" when happened.Flag("guest") && machine.Run is { EndReason: EndReason.None } run:
                run.EndReason = EndReason.GuestPoweredOff;
                break;
            case "STOP" when machine.Run is { EndReason: EndReason.None } && machine.Current.Migration is null:
                machine.Change(m => m.Power == PowerState.On ? m with { Power = PowerState.Paused } : m);
                break;
            case "RESUME" when machine.Current.Migration is null:
                machine.Change(m => m.Power == PowerState.Paused ? m with { Power = PowerState.On } : m);
                break;
            case QmpConnection.Reconnected when machine.Run is { } run:
                log.Write(machine.Current.Config, "QEMU broke its control connection off; it was made anew.");
                _ = ReadAgainAsync(machine, run);
                break;
            case "POWERDOWN":
                log.Write(machine.Current.Config, "The power button was pressed.");
                break;
            case "BLOCK_IO_ERROR" when happened.Text("action") != "ignore":
                Raise("vm.disk-error", machine, $"Virtual machine '{machine.Name}' has a disk error: {happened.Text("reason")}.", isProblem: true);
                break;
        }
    }

    /// <summary>Reads whether the guest of an adopted QEMU executes; finishes a start that an earlier agent began, if it may.</summary>
    public static async Task<PowerState> ReadPowerAsync(MachineRun run)
    {
        var status = await run.Qmp.ExecuteAsync("query-status");
        if (run is { MayBegin: true, Record.HasBegun: false } && status.GetProperty("status").GetString() == "prelaunch")
        {
            await run.Qmp.ExecuteAsync("cont");
            run.TryRemember(r => r with { HasBegun = true });
            return PowerState.On;
        }

        return status.GetProperty("running").GetBoolean() ? PowerState.On : PowerState.Paused;
    }

    /// <summary>As <see cref="ReadPowerAsync"/>, and tells: after events may have been lost, or a start may be finished.</summary>
    public static async Task ReadAgainAsync(Machine machine, MachineRun run)
    {
        try
        {
            var power = await ReadPowerAsync(run);
            machine.Change(m => machine.Run == run && m is { Migration: null, Power: not PowerState.Off } ? m with { Power = power } : m);
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            // It ends, or breaks off again: then it is read again.
        }
    }

    /// <summary>Gives back everything around a QEMU that has ended.</summary>
    public void CleanUp(Machine machine, RunDirectory directory, RunAttachments attachments)
    {
        // The directory last: it names the rest, should this agent end in between.
        GiveBack(machine, () => surroundings.TakeAway(attachments));
        GiveBack(machine, directory.Remove);
    }

    /// <summary>What cannot be given back is told, and keeps no machine whose QEMU has ended from being off.</summary>
    private void GiveBack(Machine machine, Action step)
    {
        try
        {
            step();
        }
        catch (Exception e)
        {
            Raise("vm.left-behind", machine, $"Not all that the QEMU of virtual machine '{machine.Name}' had on this host was taken away: {e.Message.TrimEnd('.')}.", isProblem: true);
        }
    }

    private async Task SuperviseAsync(Machine machine, MachineRun run)
    {
        await run.Qmp.Closed;
        if (run.IsDetached)
            return;
        try
        {
            await EndAsync(machine, run);
        }
        catch (Exception e)
        {
            Raise("vm.end-failed", machine, $"The end of virtual machine '{machine.Name}' could not be seen to: {e.Message.TrimEnd('.')}.", isProblem: true);
            // Nobody may wait for it for ever.
            run.MarkEnded(e);
        }
    }

    /// <summary>Sees to the end of a QEMU: what is around it, the lock, and whoever waits.</summary>
    private async Task EndAsync(Machine machine, MachineRun run)
    {
        // Somebody waits for one that was powered off, and why it ended is known: its exit status is not waited for, unless a migration must be told.
        var end = run.EndReason == EndReason.PoweredOff && machine.Current.Migration is null ? null : await run.Process.AwaitEndAsync();
        if (end is null)
            await run.Process.AwaitGoneAsync();
        else if (EndedInMigration is { } migration && await migration(machine, run, end))
            return;
        using (await machine.EnterAsync(CancellationToken.None))
        {
            GiveBack(machine, () => surroundings.TakeAway(run.Record.Attachments));
            machine.Run = null;
            var failure = HandOver(run);
            if (!machine.IsRemoved)
            {
                var epoch = ground.Release(run.Record.Config, run.Record.LockEpoch);
                machine.Change(m => m.PoweredOff() with { LockEpoch = epoch });
            }

            run.MarkEnded(failure);
            // Whoever waited for the end goes on, at once; nobody starts the machine again before the rest is done.
            await Task.Yield();
            if (!machine.IsRemoved)
                Announce(machine, run, end);
            // The shim is about to write into the directory.
            if (end is null)
                await run.Process.AwaitEndAsync();
            GiveBack(machine, run.Directory.Remove);
        }
    }

    private static Exception? HandOver(MachineRun run)
    {
        try
        {
            run.OnGone?.Invoke(run.Record.LockEpoch);
            return null;
        }
        catch (Exception e)
        {
            return e;
        }
    }

    /// <summary>Raises the event for a QEMU that ended, unless somebody here ended it.</summary>
    /// <param name="end">Null where nobody waited for it, because the reason is known.</param>
    public void Announce(Machine machine, MachineRun run, QemuEnd? end)
    {
        log.Write(run.Record.Config, $"QEMU ended ({run.EndReason}){(end is null ? "." : $": {end.Describe()}")}");
        if (end is null)
            return;
        switch (run.EndReason)
        {
            case EndReason.PoweredOff or EndReason.MovedAway:
                break;
            case EndReason.GuestPoweredOff when end.IsClean:
                Raise("vm.guest-powered-off", machine, $"The guest of virtual machine '{machine.Name}' powered it off.", isProblem: false);
                break;
            default:
                Raise("vm.died", machine, new MachineDied(machine.Name, end.Describe()).Message, isProblem: true);
                break;
        }
    }

    public void Raise(string kind, Machine machine, string message, bool isProblem) =>
        state.Publish(new HostEventRaised(kind, machine.Id, message, isProblem));
}
