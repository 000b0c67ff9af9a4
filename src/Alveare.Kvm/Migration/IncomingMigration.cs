using System.Globalization;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Migration;

/// <summary>The destination's end: waits for the memory, then runs the guest if it wins the lock, and ends without a trace if not.</summary>
public sealed class IncomingMigration(Machine machine, MachineRun run, MigrationRecord record, MigrationGround ground)
    : MigrationEnd(machine, run, record, ground)
{
    private static readonly TimeSpan LockInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a destination waits for the first byte before it gives up: the center that arranged it may be dead.</summary>
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(60);

    // Somebody waits for the guest's first answer here: what is not urgent leaves it the CPU.
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan AgainInterval = TimeSpan.FromMilliseconds(100);

    // A control connection that broke off is made anew in less.
    private static readonly TimeSpan ShortFailure = TimeSpan.FromSeconds(3);

    private const int Waiting = 0;
    private const int Claiming = 1;
    private const int GivenUp = 2;

    // Claiming the machine and burying its process exclude each other: a lock must not be taken for a process that has ended.
    private readonly Lock gate = new();

    private readonly Arrival arrival = new(machine, run, record, ground);

    private int stage = Waiting;
    private string? giveUpReason;

    // An earlier agent may have won the machine.
    private bool isResumed;

    // When all had come, and when it first failed to go on since.
    private long? arrived;
    private long? failing;

    /// <summary>Where it listens; null before it does, and where an earlier agent prepared it.</summary>
    public string? Uri { get; private set; }

    /// <summary>Listens for the source; answers where.</summary>
    public async Task<string> BeginAsync()
    {
        await TransferSetup.ApplyAsync(Run, Record, Ground.User);
        var host = Ground.Address.Contains(':', StringComparison.Ordinal) ? $"[{Ground.Address}]" : Ground.Address;
        await Run.Qmp.ExecuteAsync("migrate-incoming", new { uri = $"tcp:{host}:0" });
        var port = (await ReadStatusAsync()).ListenPort
            ?? throw new FaultException(new HostOperationFailed("Listening for an incoming migration", "QEMU did not say on which port it listens"));
        _ = RunAsync();
        return Uri = string.Create(CultureInfo.InvariantCulture, $"tcp:{host}:{port}");
    }

    /// <summary>Goes on with a migration that an earlier agent prepared.</summary>
    public void Resume()
    {
        isResumed = true;
        _ = RunAsync();
    }

    public override async Task CancelAsync()
    {
        // An earlier agent's may have the guest already.
        if (stage != Waiting || MayBeOurs() || Interlocked.CompareExchange(ref stage, GivenUp, Waiting) != Waiting)
            return;
        await GiveUpAsync("it was cancelled");
    }

    public override async Task<bool> OnProcessEndedAsync(QemuEnd end)
    {
        bool mayBeOurs;
        lock (gate)
            mayBeOurs = Interlocked.Exchange(ref stage, GivenUp) == Claiming || isResumed;
        if (await FindOwnerAsync(mayBeOurs) is not { } verdict)
            return true;
        if (verdict == Verdict.Ours)
        {
            Run.Claim(NextEpoch);
            arrival.WriteDown();
            Fail(Failed($"its process ended at the destination: {end.Describe()}", runsOn: null));
            return false;
        }

        using (await Machine.EnterAsync(CancellationToken.None))
        {
            Ground.Power.CleanUp(Machine, Run.Directory, Run.Record.Attachments);
            Machine.Run = null;
            Ground.Machines.Return(Machine);
        }

        Run.MarkEnded();
        Fail(Failed(giveUpReason ?? $"the destination's process ended: {end.Describe()}", Ground.Ground.TryReadLock(Run.Record.Config)?.OwnerName));
        return true;
    }

    /// <summary>Who has the machine whose process has ended; null where the agent ends before that is known, and the next one finds out.</summary>
    private async Task<Verdict?> FindOwnerAsync(bool mayBeOurs)
    {
        if (IsClaimed)
            return Verdict.Ours;
        while (mayBeOurs && !Ground.Stopping.IsCancellationRequested)
        {
            try
            {
                return ReadVerdict(isSwitched: true);
            }
            catch (Exception e)
            {
                // Forgotten here it would be registered nowhere, if this host has it.
                Machine.Change(m => m with { Power = PowerState.Unknown });
                Fail(Failed($"its process ended, and who has it is not known: {e.Message.TrimEnd('.')}", runsOn: null));
            }

            await Task.WhenAny(Task.Delay(LockInterval, Ground.Stopping));
        }

        return mayBeOurs ? null : Verdict.Undecided;
    }

    private async Task RunAsync()
    {
        Listen();
        var switchTime = await InsistAsync();
        StopListening();
        if (switchTime is { } taken)
            await SettleAsync(taken);
    }

    /// <summary>Takes over, again and again where that fails when this host has the machine, or may have it: nothing but this QEMU can have the guest then.</summary>
    private async Task<TimeSpan?> InsistAsync()
    {
        while (true)
        {
            try
            {
                // A UART that waits for its reader when the guest leaves the source waits for one here too, and for ever where there is none when it
                // is loaded (QEMU 7.2, serial_post_load): somebody who reads is there from before the memory comes until the guest runs.
                await using var reader = await Run.Consoles.OpenAsync(Machine.Name, HostChannelKind.Serial, CancellationToken.None);
                return await TakeOverAsync();
            }
            catch (Exception e)
            {
                if (IsLetGo)
                    return null;
                if (!MayBeOurs())
                {
                    giveUpReason ??= e.Message;
                    Run.Process.Kill();
                    return null;
                }

                TellWhatHolds(e);
            }

            await Task.WhenAny(Task.Delay(AgainInterval, Ground.Stopping), Run.Qmp.Closed);
        }
    }

    /// <summary>Waits for the memory, wins the machine and lets its guest execute; answers how long that took once all had come, or null where
    /// the migration was given up.</summary>
    private async Task<TimeSpan?> TakeOverAsync()
    {
        if (await AwaitMemoryAsync() is { } reason)
        {
            if (Interlocked.CompareExchange(ref stage, GivenUp, Waiting) == Waiting)
                await GiveUpAsync(reason);
            return null;
        }

        arrived ??= Ground.Time.GetTimestamp();
        if (Interlocked.CompareExchange(ref stage, Claiming, Waiting) == GivenUp)
            return null;
        if (!Claim())
        {
            await GiveUpAsync("the source took the machine back before all of it had arrived");
            return null;
        }

        await ContinueAsync();
        return Ground.Time.GetElapsedTime(arrived.Value);
    }

    /// <summary>Whether this host has the machine, as far as is known. What an earlier agent did the lock alone can say.</summary>
    private bool MayBeOurs()
    {
        if (IsClaimed || (stage == Waiting && !isResumed))
            return IsClaimed;
        try
        {
            return ReadVerdict(isSwitched: stage == Claiming) switch
            {
                Verdict.Ours => true,
                Verdict.Undecided => stage == Claiming,
                _ => false,
            };
        }
        catch (Exception)
        {
            // It cannot be read now.
            return true;
        }
    }

    /// <summary>Tells whoever waits for the guest what keeps it from going on, once that lasts. They do not wait for it any more.</summary>
    private void TellWhatHolds(Exception error)
    {
        failing ??= Ground.Time.GetTimestamp();
        if (Ground.Time.GetElapsedTime(failing.Value) < ShortFailure)
            return;
        if (IsClaimed && Machine.Current.Migration is { Phase: not MigrationPhase.Commit })
        {
            Change(PowerState.Paused, new HostMigration(Record.Id, Record.Role, MigrationPhase.Commit));
            Ground.Power.Raise(
                "vm.not-continued", Machine,
                $"Virtual machine '{Machine.Name}' came to this host, and its guest cannot go on: {error.Message.TrimEnd('.')}. It is tried again.",
                isProblem: true);
        }

        Fail(Failed($"its guest cannot go on at the destination yet: {error.Message}", IsClaimed ? Ground.HostName : null));
    }

    /// <summary>Waits until QEMU has everything; answers why it never will, or null.</summary>
    private async Task<string?> AwaitMemoryAsync()
    {
        var began = Ground.Time.GetTimestamp();
        var connected = false;
        while (!HasSaidCompleted)
        {
            var status = await ReadStatusAsync();
            if (status.IsCompleted)
                return null;
            if (status.HasFailed)
                return status.Error ?? "the transfer failed";
            if (!connected && status.Status == "active")
            {
                connected = true;
                Enter(MigrationPhase.Transfer);
            }

            if (!connected && Ground.Time.GetElapsedTime(began) > ConnectTimeout)
                return $"the source did not connect within {ConnectTimeout.TotalSeconds} s";
            if (ReadVerdict(isSwitched: false) == Verdict.Theirs)
                return "the source took the machine back";
            await WaitAsync(LockInterval);
        }

        return null;
    }

    /// <summary>Wins or loses the machine. An agent that ended after winning finds itself the owner.</summary>
    private bool Claim()
    {
        lock (gate)
        {
            if (stage != Claiming)
                return false;
            // One that is claimed late may have been destroyed meanwhile, and its lock with it.
            if ((isResumed || failing is not null) && ReadVerdict(isSwitched: true) == Verdict.Theirs)
                return false;
            if (!TryTake(isSwitched: true))
                return false;

            Run.Claim(NextEpoch);
            return true;
        }
    }

    private bool IsClaimed => Run.Record.LockEpoch == NextEpoch;

    /// <summary>Everything that need not be done before the guest runs. It runs here, whatever comes of that.</summary>
    private async Task SettleAsync(TimeSpan switchTime)
    {
        using (await Machine.EnterAsync(CancellationToken.None))
        {
            // Its process may have ended since: that has been seen to.
            if (Machine.Run != Run)
                return;
            arrival.WriteDown();
            Change(PowerState.On, migration: null);
            _ = Run.Balloon.RenewAsync(after: Rest, Ground.Time);
        }

        Succeed(new IncomingFinished(switchTime, Machine.Current));
        _ = ArriveAsync();
        await RemoveKeyAsync();
    }

    /// <summary>Says what became of the machine that this host has now, unless its process has ended since.</summary>
    private void Change(PowerState power, HostMigration? migration) => Machine.Change(m => Machine.Run != Run ? m : m with
    {
        Power = power, StartedAt = Run.Record.StartedAt, CpuModel = Run.Record.CpuModel, LockEpoch = NextEpoch, Migration = migration,
    });

    private async Task RemoveKeyAsync()
    {
        try
        {
            await TransferKey.RemoveAsync(Run, Record);
        }
        catch (Exception e) when (e is QmpException or QmpClosedException or IOException or UnauthorizedAccessException)
        {
            // It was for this migration alone, and its directory goes with the run's.
        }
    }

    private async Task ArriveAsync()
    {
        await Task.Delay(Rest);
        Ground.Enforce(Machine);
    }

    private async Task GiveUpAsync(string reason)
    {
        giveUpReason = reason;
        Run.EndReason = EndReason.MovedAway;
        Run.Process.Kill();
        await Run.Ended;
    }
}
