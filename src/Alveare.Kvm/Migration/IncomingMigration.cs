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

    private static readonly TimeSpan RememberInterval = TimeSpan.FromSeconds(5);

    private const int Waiting = 0;
    private const int Claiming = 1;
    private const int GivenUp = 2;

    // Claiming the machine and burying its process exclude each other: a lock must not be taken for a process that has ended.
    private readonly Lock gate = new();

    private int stage = Waiting;
    private string? giveUpReason;

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
    public void Resume() => _ = RunAsync();

    public override async Task CancelAsync()
    {
        if (Interlocked.CompareExchange(ref stage, GivenUp, Waiting) != Waiting)
            return;
        await GiveUpAsync("it was cancelled");
    }

    public override async Task<bool> OnProcessEndedAsync(QemuEnd end)
    {
        bool isOurs;
        lock (gate)
        {
            Interlocked.Exchange(ref stage, GivenUp);
            // Also when an earlier agent has won it.
            isOurs = OwnsLock();
        }

        if (isOurs)
        {
            Run.Claim(NextEpoch);
            if (!TryRemember())
                _ = RememberLaterAsync();
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

    private async Task RunAsync()
    {
        TimeSpan? switchTime = null;
        Listen();
        try
        {
            // A UART that waits for its reader when the guest leaves the source waits for one here too, and for ever where there is none when it
            // is loaded (QEMU 7.2, serial_post_load): somebody who reads is there from before the memory comes until the guest runs.
            await using var reader = await Run.Consoles.OpenAsync(Machine.Name, HostChannelKind.Serial, CancellationToken.None);
            switchTime = await TakeOverAsync();
        }
        catch (Exception e)
        {
            GiveUpAfter(e, guestRuns: switchTime is not null);
        }
        finally
        {
            StopListening();
        }

        if (switchTime is { } taken)
            await SettleAsync(taken);
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

        var arrived = Ground.Time.GetTimestamp();
        if (Interlocked.CompareExchange(ref stage, Claiming, Waiting) != Waiting)
            return null;
        if (!Claim())
        {
            await GiveUpAsync("the source took the machine back before all of it had arrived");
            return null;
        }

        await ContinueAsync();
        return Ground.Time.GetElapsedTime(arrived);
    }

    /// <summary>Ends a QEMU whose guest does not run here. From when it does nothing that goes wrong here ends it.</summary>
    private void GiveUpAfter(Exception error, bool guestRuns)
    {
        // A process that ended is handled by OnProcessEndedAsync, and one that this agent lets go of is the next agent's.
        if (guestRuns || Run.IsDetached || Run.Qmp.Closed.IsCompleted)
            return;
        giveUpReason ??= error.Message;
        Run.Process.Kill();
    }

    /// <summary>Waits until QEMU has everything; answers why it never will, or null.</summary>
    private async Task<string?> AwaitMemoryAsync()
    {
        var began = Ground.Time.GetTimestamp();
        var connected = false;
        while (true)
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
            if (Ground.Ground.ReadLock(Run.Record.Config).Epoch >= NextEpoch && !OwnsLock())
                return "the source took the machine back";
            await WaitAsync(LockInterval);
        }
    }

    /// <summary>Wins or loses the machine. An agent that ended after winning finds itself the owner.</summary>
    private bool Claim()
    {
        lock (gate)
        {
            if (stage != Claiming || (!Ground.Ground.TryPublish(Run.Record.Config, NextEpoch, owned: true) && !OwnsLock()))
                return false;
            Run.Claim(NextEpoch);
            return true;
        }
    }

    private bool OwnsLock() =>
        Ground.Ground.TryReadLock(Run.Record.Config) is { } state && state.Epoch == NextEpoch && state.Owner == Ground.HostId;

    /// <summary>Everything that need not be done before the guest runs. It runs here, whatever comes of that.</summary>
    private async Task SettleAsync(TimeSpan switchTime)
    {
        bool remembered;
        using (await Machine.EnterAsync(CancellationToken.None))
        {
            // Its process may have ended since: that has been seen to.
            if (Machine.Run != Run)
                return;
            remembered = TryRemember();
            Machine.Change(m => m with
            {
                Power = PowerState.On, StartedAt = Run.Record.StartedAt, CpuModel = Run.Record.CpuModel, LockEpoch = NextEpoch, Migration = null,
            });
            _ = Run.Balloon.RenewAsync(after: Rest, Ground.Time);
        }

        Succeed(new IncomingFinished(switchTime, Machine.Current));
        _ = ArriveAsync();
        if (!remembered)
            _ = RememberLaterAsync();
        await RemoveKeyAsync();
    }

    /// <summary>Writes down that the machine is this host's; false where that cannot be done now, which is told.</summary>
    private bool TryRemember()
    {
        if (WriteDown() is not { } why)
            return true;
        Ground.Power.Raise(
            "vm.not-written-down", Machine,
            $"Virtual machine '{Machine.Name}' came to this host, and that cannot be written down: {why.TrimEnd('.')}. It is tried again; an agent that is restarted before may not know the machine.",
            isProblem: true);
        return false;
    }

    private async Task RememberLaterAsync()
    {
        while (!Ground.Stopping.IsCancellationRequested)
        {
            await Task.WhenAny(Task.Delay(RememberInterval, Ground.Stopping));
            try
            {
                using var entered = await Machine.EnterAsync(Ground.Stopping);
                if (WriteDown() is null)
                    return;
            }
            catch (Exception e) when (e is FaultException or OperationCanceledException)
            {
                // It is not this host's any more, or the agent ends.
                return;
            }
        }
    }

    /// <summary>Answers why it could not be done, or null.</summary>
    private string? WriteDown()
    {
        try
        {
            // In this order: an agent that finds the migration in the run's record goes on with it, to here.
            Ground.Machines.Keep(Machine);
            if (Machine.Run == Run && (Run.Record.Migration is null || Run.Record.Migration.Id == Record.Id))
                Run.Remember(r => r with { Migration = null, ArrivedBy = Record.Id });
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

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
