using System.Threading.Channels;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Migration;

/// <summary>What both ends of a migration need of their host.</summary>
public sealed record MigrationGround(
    EntityId HostId,
    string HostName,
    string Address,
    MachineTable Machines,
    Listing Listing,
    Ground Ground,
    PowerControl Power,
    Launcher Launcher,
    QemuUser User,
    TimeProvider Time,
    CancellationToken Stopping)
{
    /// <summary>Holds a machine to its resource controls as they are for one that begins to move, moves no more, or has come to run here.</summary>
    public required Action<Machine> Enforce { get; init; }

    /// <summary>How long a machine whose QEMU died here may still be claimed by its destination.</summary>
    public required TimeSpan ClaimTimeAfterDeath { get; init; }
}

/// <summary>One end of a live migration on this host, from its beginning (or its adoption by a restarted agent) to its outcome.</summary>
/// <remarks>Whoever publishes the lock's next epoch after <see cref="MigrationRecord.SourceEpoch"/> has the machine. Neither end lets the
/// guest execute after the switch without having done so, and neither asks the other end or a center.</remarks>
public abstract class MigrationEnd(Machine machine, MachineRun run, MigrationRecord record, MigrationGround ground)
{
    private readonly TaskCompletionSource<HostReply> outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Channel<bool> changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public MigrationRecord Record { get; } = record;

    public Machine Machine { get; } = machine;

    public Task<HostReply> Outcome => outcome.Task;

    /// <summary>Nothing is left to do: whoever asked has been told, and the machine takes part in it no more.</summary>
    public bool IsOver => Outcome.IsCompleted && (Machine.IsRemoved || Machine.Current.Migration?.Id != Record.Id);

    protected MachineRun Run { get; } = run;

    protected MigrationGround Ground { get; } = ground;

    /// <summary>The epoch that decides.</summary>
    protected long NextEpoch => Record.SourceEpoch + 1;

    /// <summary>Somebody else sees to the rest: <see cref="OnProcessEndedAsync"/> to a process that has ended, the next agent to one that this agent lets go of.</summary>
    protected bool IsLetGo => Run.Qmp.Closed.IsCompleted || Ground.Stopping.IsCancellationRequested || Run.IsDetached;

    /// <summary>Gives the migration up, if that is still possible.</summary>
    public abstract Task CancelAsync();

    /// <summary>Decides what becomes of the machine when its QEMU has ended in the middle; false leaves it to the ordinary way.</summary>
    public abstract Task<bool> OnProcessEndedAsync(QemuEnd end);

    protected void Enter(MigrationPhase phase) =>
        Machine.Change(m => m with { Migration = new HostMigration(Record.Id, Record.Role, phase) });

    protected void Succeed(HostReply reply) => outcome.TrySetResult(reply);

    /// <summary>Tells whoever waits for the outcome, unless there is one.</summary>
    public void Fail(Fault fault)
    {
        outcome.TrySetException(new FaultException(fault));
        // Nobody may be waiting: a center that is gone must not turn this into an unobserved exception.
        _ = outcome.Task.Exception;
    }

    protected Fault Failed(string reason, string? runsOn) => new MigrationFailed(Machine.Name, reason, runsOn);

    /// <summary>Wakes <see cref="WaitAsync"/> when QEMU says that the migration's state changed.</summary>
    protected void Listen() => Run.Qmp.EventReceived += OnEvent;

    protected void StopListening() => Run.Qmp.EventReceived -= OnEvent;

    /// <summary>Waits for a change of state, the end of the process, or <paramref name="atMost"/>.</summary>
    protected async Task WaitAsync(TimeSpan atMost)
    {
        using var limit = new CancellationTokenSource(atMost);
        await Task.WhenAny(changed.Reader.WaitToReadAsync(limit.Token).AsTask(), Run.Qmp.Closed);
        changed.Reader.TryRead(out _);
    }

    /// <summary>Whether QEMU has said that it has all, which a look at its status need not repeat.</summary>
    protected bool HasSaidCompleted { get; private set; }

    protected void Wake() => changed.Writer.TryWrite(true);

    protected async Task<TransferStatus> ReadStatusAsync() => TransferStatus.Parse(await Run.Qmp.ExecuteAsync("query-migrate"));

    /// <param name="isSwitched">Whether all has been sent: only then can the other host have had the machine.</param>
    protected Verdict ReadVerdict(bool isSwitched)
    {
        var state = Ground.Ground.ReadLock(Run.Record.Config);
        if (state.Epoch >= NextEpoch)
            return state.Owner == Ground.HostId ? Verdict.Ours : Verdict.Theirs;
        // Gone with its lock: the other host had it, and it was destroyed there before this host looked.
        return isSwitched && Ground.Ground.IsGone(Run.Record.Config) ? Verdict.Theirs : Verdict.Undecided;
    }

    /// <summary>Publishes the epoch that decides, or finds that this host has done so before; false where the machine is the other host's.</summary>
    /// <exception cref="FaultException">It cannot be told yet.</exception>
    protected bool TryTake(bool isSwitched) => Ground.Ground.TryPublish(Run.Record.Config, NextEpoch, owned: true) || ReadVerdict(isSwitched) switch
    {
        Verdict.Ours => true,
        Verdict.Theirs => false,
        // Listings of a network file system may be old.
        _ => throw new FaultException(new HostOperationFailed($"Taking virtual machine '{Machine.Name}'", "the record of its lock that decides is there, and does not show yet")),
    };

    /// <summary>Lets the guest execute. The caller holds the lock.</summary>
    protected async Task ContinueAsync()
    {
        var deadline = Ground.Time.GetTimestamp();
        while (true)
        {
            // Sent before it and not waited for: what others send is on its way here when the guest wakes, as with a QEMU that goes on by itself.
            var announced = AnnounceAsync();
            try
            {
                await Run.Qmp.ExecuteAsync("cont");
                await announced;
                return;
            }
            catch (QmpException) when (Ground.Time.GetElapsedTime(deadline) < TimeSpan.FromSeconds(5))
            {
                // The other end's QEMU holds its image locks until it is gone, which its host sees to as soon as it reads our epoch.
                await Task.Delay(TimeSpan.FromMilliseconds(20));
            }
        }
    }

    /// <summary>Switches between the hosts learn at once where the machine's addresses are now; without it, from what the guest sends.</summary>
    private async Task AnnounceAsync()
    {
        try
        {
            await Run.Qmp.ExecuteAsync("announce-self", new { initial = 50, max = 550, rounds = 5, step = 100 });
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            // The guest runs: that is what counts. A process that has ended is seen to as such.
        }
    }

    private void OnEvent(QmpEvent happened)
    {
        if (happened.Name == "MIGRATION" && happened.Text("status") == "completed")
            HasSaidCompleted = true;
        if (happened.Name is "MIGRATION" or "STOP" or "RESUME" or QmpConnection.Reconnected)
            Wake();
    }

    /// <summary>What the lock says about this migration.</summary>
    protected enum Verdict
    {
        Undecided,
        Ours,
        Theirs,

        /// <summary>The machine is off: its process died before anybody else had it.</summary>
        Nobody,
    }
}
