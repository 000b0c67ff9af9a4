using Alveare.Core.Hosts;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Migration;

/// <summary>The source's end: copies the memory while the guest runs, then waits until the lock says who has the machine.</summary>
public sealed class OutgoingMigration(Machine machine, MachineRun run, MigrationRecord record, MigrationGround ground)
    : MigrationEnd(machine, run, record, ground)
{
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(10);

    // A cut network does not end a TCP connection: bytes that stop flowing are the sign.
    private static readonly TimeSpan StallTimeout = TimeSpan.FromSeconds(8);

    // Longer between two looks means that this machine stood still or gave its agent no CPU: QEMU had none either, and that time says nothing.
    private static readonly TimeSpan LongestGlance = TimeSpan.FromSeconds(1);

    // QEMU gives a migration up in milliseconds, unless a thread of it waits for its storage.
    private static readonly TimeSpan RestTime = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan TakeBackInterval = TimeSpan.FromSeconds(1);

    // From a failed write to the end of the reading, on a busy machine.
    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(1);

    private volatile string? cancelReason;
    private TransferStatus? final;

    /// <summary>Who wants to hear of the progress; the last caller counts.</summary>
    public IProgress<HostProgress>? Listener { get; set; }

    /// <summary>Begins to send, to the destination that listens at <paramref name="uri"/>. The caller has entered the machine.</summary>
    public void Begin(string uri) => _ = RunAsync(() => StartAsync(uri));

    /// <summary>Goes on with a migration that an earlier agent began.</summary>
    public void Resume() => _ = RunAsync(() => Task.CompletedTask);

    /// <remarks>Also at the switch: the lock says whether it came in time, and a guest whose destination is known to be gone does not stand still for nothing.</remarks>
    public override async Task CancelAsync()
    {
        cancelReason = "it was cancelled";
        Wake();
        await Task.WhenAny(Outcome);
    }

    public override async Task<bool> OnProcessEndedAsync(QemuEnd end)
    {
        // It has been taken back, and ends as any machine of this host does.
        if (Run.Record.LockEpoch == NextEpoch)
        {
            // Else an agent that finds the run's record takes it for one that moved.
            Run.TryRemember(r => r with { Migration = null });
            Fail(Failed($"its process ended: {end.Describe()}", runsOn: null));
            return false;
        }

        using (await Machine.EnterAsync(CancellationToken.None))
        {
            Verdict verdict;
            try
            {
                verdict = await DecideAfterDeathAsync();
            }
            catch (FaultException e)
            {
                // The datastore is away. It is off here, and whoever starts it next finds in the lock who has it.
                Fail(Failed($"its process ended: {end.Describe()}; who has it now is not known: {e.Fault.Message}", runsOn: null));
                return false;
            }

            if (verdict == Verdict.Ours)
                Ground.Ground.Release(Run.Record.Config, NextEpoch);
            // Not before that is decided: what the run left tells the next agent that something ran.
            Ground.Power.CleanUp(Machine, Run.Directory, Run.Record.Attachments);
            if (verdict == Verdict.Theirs)
            {
                Machine.Run = null;
                Ground.Machines.Leave(Machine);
                Run.MarkEnded();
                Succeed(new SendFinished(final?.TotalTime ?? default, final?.Pause ?? default, final?.Transferred ?? default));
                return true;
            }

            Machine.Run = null;
            var now = Ground.Ground.TryReadLock(Run.Record.Config);
            Machine.Change(m => m.PoweredOff() with { LockEpoch = now?.Epoch ?? m.LockEpoch });
        }

        Ground.Power.Announce(Machine, Run, end);
        Run.MarkEnded();
        Fail(Failed($"its process ended: {end.Describe()}", runsOn: null));
        return true;
    }

    private async Task<Verdict> DecideAfterDeathAsync()
    {
        var verdict = await AwaitVerdictAsync(Ground.ClaimTimeAfterDeath);
        if (verdict != Verdict.Undecided)
            return verdict;
        return Ground.Ground.TryPublish(Run.Record.Config, NextEpoch, owned: false) ? Verdict.Nobody : ReadVerdict();
    }

    private async Task StartAsync(string uri)
    {
        Run.Remember(r => r with { Migration = Record });
        // From here on nobody asks its guest for memory, nor holds its process to a limit: one that waits for memory does not even answer.
        Ground.Enforce(Machine);
        await TransferSetup.ApplyAsync(Run, Record, Ground.User);
        await Run.Balloon.StopAsync();
        await Run.Qmp.ExecuteAsync("migrate", new { uri });
    }

    private async Task RunAsync(Func<Task> start)
    {
        Listen();
        Enter(MigrationPhase.Transfer);
        try
        {
            await start();
            var status = await TransferAsync();
            if (!status.IsCompleted)
            {
                await TakeBackAsync(status.Error ?? "QEMU gave up without a reason");
                return;
            }

            Enter(MigrationPhase.Switch);
            Listener?.Report(new HostProgress(null, "switch", status.ToProgress(MigrationPhase.Switch)));
            var verdict = await AwaitVerdictAsync(Record.Settings.SwitchTimeout, () => cancelReason is not null || IsLetGo);
            // A process that has died gave its lock back: that reads like the destination's.
            if (IsLetGo)
                return;
            if (verdict == Verdict.Theirs)
                await LeaveAsync(status);
            else
                await TakeBackAsync(cancelReason ?? $"the destination did not take the machine over within {Record.Settings.SwitchTimeout.TotalSeconds} s");
        }
        catch (Exception e)
        {
            await TakeBackAfterAsync(e);
        }
        finally
        {
            StopListening();
        }
    }

    /// <summary>Whether somebody else sees to the machine after an error: <see cref="OnProcessEndedAsync"/> to one whose process has died, and the next
    /// agent to all of one that ends.</summary>
    private async Task<bool> IsSeenToAsync(Exception error)
    {
        // Whoever writes to a process that has died may find it out before the one who reads. Any other failure is not waited with: the guest may stand still.
        if (error is QmpClosedException)
            await Task.WhenAny(Run.Qmp.Closed, Task.Delay(ClosingTime, Ground.Stopping));
        return IsLetGo;
    }

    /// <summary>Whatever went wrong, the machine is taken back: as soon as that can be done, where the datastore is away or QEMU hangs. Whoever asked for
    /// the move does not wait for it.</summary>
    private async Task TakeBackAfterAsync(Exception error)
    {
        var failure = (Exception?)null;
        while (!await IsSeenToAsync(failure ?? error))
        {
            if (failure is not null)
            {
                Fail(Failed($"{error.Message}; taking it back failed too: {failure.Message}", Ground.HostName));
                await Task.WhenAny(Task.Delay(TakeBackInterval, Ground.Stopping));
            }

            try
            {
                await TakeBackAsync(error.Message);
                return;
            }
            catch (Exception e)
            {
                failure = e;
            }
        }
    }

    /// <summary>Watches the copying to its end, successful or not.</summary>
    private async Task<TransferStatus> TransferAsync()
    {
        var last = (TransferStatus?)null;
        var (lastLook, stalled) = (Ground.Time.GetTimestamp(), TimeSpan.Zero);
        while (true)
        {
            var status = await ReadStatusAsync();
            // QEMU 7.2 was seen to report completion before its final figures: they are asked for once more.
            if (status.IsCompleted)
                return status.TotalTime > TimeSpan.Zero ? status : await ReadStatusAsync();
            if (status.HasFailed)
                return status;
            Listener?.Report(new HostProgress(Percent(status), "transfer", status.ToProgress(MigrationPhase.Transfer)));
            var glance = Ground.Time.GetElapsedTime(lastLook);
            lastLook = Ground.Time.GetTimestamp();
            if (last is null || status.Transferred != last.Transferred || status.Status != last.Status)
                (last, stalled) = (status, TimeSpan.Zero);
            else
                stalled += glance < LongestGlance ? glance : LongestGlance;
            if (cancelReason is { } reason)
                return status with { Error = reason };
            if (stalled > StallTimeout)
                return status with { Error = Stalled(status) };
            await WaitAsync(ProgressInterval);
        }
    }

    private static string Stalled(TransferStatus status) =>
        $"no byte reached the destination for {StallTimeout.TotalSeconds} s (QEMU says '{status.Status}' and has sent {status.Transferred})";

    private static double? Percent(TransferStatus status) =>
        status.Total.Value == 0 ? null : Math.Clamp(100.0 * (status.Total.Value - status.Remaining.Value) / status.Total.Value, 0, 100);

    private bool IsSwitched => Machine.Current.Migration is { Phase: >= MigrationPhase.Switch };

    private Verdict ReadVerdict() => ReadVerdict(IsSwitched);

    /// <summary>Waits until somebody has published the deciding epoch.</summary>
    private async Task<Verdict> AwaitVerdictAsync(TimeSpan atMost, Func<bool>? isEnough = null)
    {
        var began = Ground.Time.GetTimestamp();
        var verdict = ReadVerdict();
        while (verdict == Verdict.Undecided && Ground.Time.GetElapsedTime(began) < atMost && isEnough?.Invoke() != true)
        {
            await Task.Delay(LockInterval, Ground.Stopping);
            verdict = ReadVerdict();
        }

        return verdict;
    }

    /// <summary>Keeps the machine here: the lock first, so that no destination can have it any more, then the guest.</summary>
    private async Task TakeBackAsync(string reason)
    {
        // An agent that ended after taking it back, and before the guest went on, has decided for this one too.
        if (!TryTake(IsSwitched))
        {
            await LeaveAsync(await ReadStatusAsync());
            return;
        }

        // The migration goes with the guest that goes on: until then an agent that ends leaves the rest of this to the next.
        Run.TryRemember(r => r with { LockEpoch = NextEpoch });
        await Run.Qmp.ExecuteAsync("migrate_cancel");
        var began = Ground.Time.GetTimestamp();
        while (!(await ReadStatusAsync()).IsAtRest)
        {
            // Who asked for the move hears of it; the machine is this host's already, and moves again when QEMU is at rest.
            if (Ground.Time.GetElapsedTime(began) > RestTime)
                Fail(Failed($"{reason}; QEMU has not given it up in {RestTime.TotalSeconds} s", Ground.HostName));
            await WaitAsync(ProgressInterval);
        }

        if (await PowerControl.ReadPowerAsync(Run) != PowerState.On)
            await ContinueAsync();
        await TransferKey.RemoveAsync(Run, Record);
        Run.TryRemember(r => r with { Migration = null });
        Machine.Change(m => Machine.Run != Run ? m : m with { Power = PowerState.On, Migration = null, LockEpoch = NextEpoch });
        Ground.Enforce(Machine);
        Fail(Failed(reason, Ground.HostName));
    }

    /// <summary>Lets the machine go: the destination has it. The end of the process does the rest.</summary>
    private async Task LeaveAsync(TransferStatus status)
    {
        final = status;
        Run.EndReason = EndReason.MovedAway;
        // Nothing to flush: QEMU gave up its disks when it had sent everything.
        Run.Process.Kill();
        await Run.Ended;
    }
}
