using Alveare.Core.Hosts;
using Alveare.Model.Faults;
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
        catch (FaultException)
        {
            // The outcome is for whoever asked for the migration.
        }
    }

    public override async Task<bool> OnProcessEndedAsync()
    {
        using (await Machine.EnterAsync())
        {
            Verdict verdict;
            try
            {
                verdict = await DecideAfterDeathAsync();
            }
            catch (FaultException e)
            {
                // The datastore is away. It is off here, and whoever starts it next finds in the lock who has it.
                Fail($"its process ended: {Qemu.EndCause}; who has it now is not known: {e.Fault.Message}", runsOn: null);
                return false;
            }

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
            var now = TryReadLock();
            Machine.Change(m => m.PoweredOff() with { LockEpoch = now?.Epoch ?? m.LockEpoch });
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
        if (await WhyNotTakenAsync() is { } kept)
            await TakeBackAsync(kept);
        else
            Leave();
    }

    private async Task<Verdict> DecideAfterDeathAsync()
    {
        var verdict = await AwaitVerdictAsync(ClaimTimeAfterDeath);
        if (verdict != Verdict.Undecided)
            return verdict;
        return Ground.TryPublish(Qemu.Config, NextEpoch, owned: false) ? Verdict.Nobody : ReadVerdict();
    }

    /// <summary>Gives the destination its time; answers why the machine is to be taken back, or null when it has been taken over.</summary>
    private async Task<string?> WhyNotTakenAsync()
    {
        try
        {
            if (await AwaitVerdictAsync(Record.Settings.SwitchTimeout, () => cancelReason is not null) == Verdict.Theirs)
                return null;
            return cancelReason ?? $"the destination did not take the machine over within {Record.Settings.SwitchTimeout.TotalSeconds} s";
        }
        catch (FaultException e)
        {
            return e.Fault.Message;
        }
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

    private Verdict ReadVerdict()
    {
        // Whoever destroyed the machine has had it, and took its lock away with it: epochs begin anew only for a machine that is another one.
        if (!Ground.IsThere(Qemu.Config))
            return Verdict.Theirs;
        var held = Ground.ReadLock(Qemu.Config);
        return held.Epoch < NextEpoch ? Verdict.Undecided : held.Owner == Ground.Host ? Verdict.Ours : Verdict.Theirs;
    }

    /// <summary>Waits until somebody has published the deciding epoch.</summary>
    private async Task<Verdict> AwaitVerdictAsync(TimeSpan atMost, Func<bool>? isEnough = null)
    {
        var began = World.Time.GetTimestamp();
        var interval = TimeSpan.FromMilliseconds(10);
        var verdict = ReadVerdict();
        while (verdict == Verdict.Undecided && World.Time.GetElapsedTime(began) < atMost && isEnough?.Invoke() != true)
        {
            await Task.Delay(interval, World.Time);
            // A real agent looks every 10 ms to keep the pause short; here that would only be many turns.
            interval = interval < TimeSpan.FromSeconds(1) ? interval * 2 : interval;
            verdict = ReadVerdict();
        }

        return verdict;
    }

    /// <summary>Keeps the machine here: the lock first, so that no destination can have it any more, then the guest. As soon as that can be done, where the
    /// datastore is away; whoever asked for the move does not wait for it.</summary>
    private async Task TakeBackAsync(string reason)
    {
        var isOurs = await Ground.InsistAsync(() => !Qemu.HasEnded && TryTakeBack(), e => Fail($"{reason}; taking it back failed too: {e.Message}", Ground.Facts.HostName));
        if (Qemu.HasEnded)
            return;
        if (!isOurs && World.Defect != Defect.SourceSkipsLock)
        {
            Leave();
            return;
        }

        Qemu.Record = Qemu.Record with { LockEpoch = NextEpoch };
        Qemu.CancelSending();
        await World.PauseAsync(3);
        if (Qemu.HasEnded)
            return;
        Qemu.Continue();
        Qemu.Record = Qemu.Record with { Migration = null };
        Machine.Change(m => m with { Power = PowerState.On, Migration = null, LockEpoch = NextEpoch });
        Fail(reason, Ground.Facts.HostName);
    }

    // An agent that ended after winning finds itself the owner.
    private bool TryTakeBack() => Ground.TryPublish(Qemu.Config, NextEpoch, owned: true) || ReadVerdict() == Verdict.Ours;

    /// <summary>Lets the machine go: the destination has it. The end of the process does the rest.</summary>
    private void Leave()
    {
        Run.EndReason = EndReason.MovedAway;
        Qemu.Kill("moved away");
    }
}
