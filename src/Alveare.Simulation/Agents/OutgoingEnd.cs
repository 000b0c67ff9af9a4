using Alveare.Core.Hosts;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Agents;

/// <summary>The source's end: copies the memory while the guest runs, then waits until the lock says who has the machine.</summary>
internal sealed class OutgoingEnd(AgentMachine machine, MachineRun run, MigrationRecord record, MigrationGround ground)
    : MigrationEnd(machine, run, record, ground)
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan StallTimeout = TimeSpan.FromSeconds(8);

    // When the source's QEMU is dead, only a destination that already has everything can still claim the machine, and it is quick.
    private static readonly TimeSpan ClaimTimeAfterDeath = TimeSpan.FromSeconds(3);

    private string? cancelReason;

    /// <summary>What the lock says about this migration.</summary>
    private enum Verdict
    {
        Undecided,
        Ours,
        Theirs,

        /// <summary>The machine is off: its process died before anybody else had it.</summary>
        Nobody,
    }

    public IProgress<HostProgress>? Listener { get; set; }

    public override async Task CancelAsync()
    {
        cancelReason = "it was cancelled";
        Qemu.Changed.Ring();
        try
        {
            await Outcome;
        }
        catch (Model.Faults.FaultException)
        {
            // The outcome is for whoever asked for the migration.
        }
    }

    public override async Task<bool> OnProcessEndedAsync()
    {
        using (await Machine.EnterAsync())
        {
            var verdict = await AwaitVerdictAsync(ClaimTimeAfterDeath);
            if (verdict == Verdict.Undecided)
                verdict = await TryPublishAsync(owned: false) ? Verdict.Nobody : await ReadVerdictAsync();
            Ground.Disk.Processes.Remove(Qemu);
            if (verdict == Verdict.Theirs)
            {
                Machine.Run = null;
                Around.Machines.Remove(Machine);
                Run.CleanedUp.TrySetResult();
                Succeed(new SendFinished(Qemu.Transfer.TotalTime, TransferStatus.Pause, Qemu.Transfer.Transferred));
                return true;
            }

            if (verdict == Verdict.Ours)
                await Ground.ReleaseAsync(Qemu.Config, NextEpoch);
            Machine.Run = null;
            var held = await ReadLockAsync();
            Machine.Change(m => m.PoweredOff() with { LockEpoch = held.Epoch });
        }

        Around.Power.Announce(Machine, Run);
        Run.CleanedUp.TrySetResult();
        Fail($"its process ended: {Qemu.EndCause}", runsOn: null);
        return true;
    }

    protected override async Task RunAsync()
    {
        if (await TransferAsync() is { } reason)
        {
            await TakeBackAsync(reason);
            return;
        }

        if (Qemu.HasEnded)
            return;
        Enter(MigrationPhase.Switch);
        Report(MigrationPhase.Switch);
        if (await AwaitVerdictAsync(Record.Settings.SwitchTimeout, () => cancelReason is not null) == Verdict.Theirs)
            Leave();
        else
            await TakeBackAsync(cancelReason ?? $"the destination did not take the machine over within {Record.Settings.SwitchTimeout.TotalSeconds} s");
    }

    /// <summary>Watches the copying to its end; answers why it failed, or null.</summary>
    private async Task<string?> TransferAsync()
    {
        var last = Qemu.Transfer;
        var lastMoved = World.Time.GetTimestamp();
        while (!Qemu.HasEnded)
        {
            var status = Qemu.Transfer;
            if (status.State == TransferState.Completed)
                return null;
            if (status.State is TransferState.Failed)
                return status.Error ?? "QEMU gave up without a reason";
            Report(MigrationPhase.Transfer);
            if (status.Transferred != last.Transferred || status.State != last.State)
                (last, lastMoved) = (status, World.Time.GetTimestamp());
            if (cancelReason is { } reason)
                return reason;
            if (World.Time.GetElapsedTime(lastMoved) > StallTimeout)
                return $"no byte reached the destination for {StallTimeout.TotalSeconds} s";
            await Qemu.Changed.WaitAsync(ProgressInterval);
        }

        return null;
    }

    private void Report(MigrationPhase phase)
    {
        var status = Qemu.Transfer;
        Listener?.Report(new HostProgress(
            status.Total.Value == 0 ? null : 100.0 * status.Transferred.Value / status.Total.Value,
            phase.ToString().ToLowerInvariant(),
            new MigrationProgress(phase, status.Total, status.Transferred, status.Remaining, 1e9, 1e6)));
    }

    private async Task<Verdict> ReadVerdictAsync()
    {
        // Whoever destroyed the machine has had it, and took its lock away with it: epochs begin anew only for a machine that is another one.
        if (!await Ground.InsistAsync(() => Ground.IsThere(Qemu.Config)))
            return Verdict.Theirs;
        var held = await ReadLockAsync();
        return held.Epoch < NextEpoch ? Verdict.Undecided : held.Owner == Ground.Host ? Verdict.Ours : Verdict.Theirs;
    }

    /// <summary>Waits until somebody has published the deciding epoch.</summary>
    private async Task<Verdict> AwaitVerdictAsync(TimeSpan atMost, Func<bool>? isEnough = null)
    {
        var began = World.Time.GetTimestamp();
        var interval = TimeSpan.FromMilliseconds(10);
        var verdict = await ReadVerdictAsync();
        while (verdict == Verdict.Undecided && World.Time.GetElapsedTime(began) < atMost && isEnough?.Invoke() != true)
        {
            await Task.Delay(interval, World.Time);
            // A real agent looks every 10 ms to keep the pause short; here that would only be many turns.
            interval = interval < TimeSpan.FromSeconds(1) ? interval * 2 : interval;
            verdict = await ReadVerdictAsync();
        }

        return verdict;
    }

    /// <summary>Keeps the machine here: the lock first, so that no destination can have it any more, then the guest.</summary>
    private async Task TakeBackAsync(string reason)
    {
        if (!await TryPublishAsync(owned: true) && World.Defect != Defect.SourceSkipsLock)
        {
            // An agent that ended after winning finds itself the owner.
            if (await ReadVerdictAsync() != Verdict.Ours)
            {
                Leave();
                return;
            }
        }

        if (Qemu.HasEnded)
            return;
        Qemu.Record = Qemu.Record with { LockEpoch = NextEpoch, Migration = null };
        Qemu.CancelSending();
        await World.PauseAsync(3);
        if (Qemu.HasEnded)
            return;
        Qemu.Continue();
        Machine.Change(m => m with { Power = PowerState.On, Migration = null, LockEpoch = NextEpoch });
        Fail(reason, Ground.Facts.HostName);
    }

    /// <summary>Lets the machine go: the destination has it. The end of the process does the rest.</summary>
    private void Leave()
    {
        Run.EndReason = EndReason.MovedAway;
        Qemu.Kill("moved away");
    }
}
