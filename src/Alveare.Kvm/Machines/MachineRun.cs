using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;

namespace Alveare.Kvm.Machines;

/// <summary>Why a machine's QEMU is about to end, as far as anybody said so.</summary>
public enum EndReason
{
    /// <summary>Nobody said: if it ends now, it died.</summary>
    None,

    /// <summary>An administrator powered it off.</summary>
    PoweredOff,

    /// <summary>The guest powered itself off.</summary>
    GuestPoweredOff,

    /// <summary>A migration is over and this end is not the one that has the machine.</summary>
    MovedAway,
}

/// <summary>One running QEMU of a machine, from its start or its adoption to its end.</summary>
public sealed class MachineRun
{
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="isAdopted">An earlier agent started it.</param>
    public MachineRun(QemuProcess process, RunRecord record, bool isAdopted = false)
    {
        (Process, Record, IsAdopted, Balloon, Consoles) = (process, record, isAdopted, new Balloon(process.Qmp), new Consoles(process.Run));
        Qmp.EventReceived += Balloon.OnEvent;
    }

    public QemuProcess Process { get; }

    public QmpConnection Qmp => Process.Qmp;

    public RunDirectory Directory => Process.Run;

    public RunRecord Record { get; private set; }

    public Consoles Consoles { get; }

    public Balloon Balloon { get; }

    public EndReason EndReason { get; set; }

    /// <summary>Called once QEMU is gone, with the epoch at which the lock is still held.</summary>
    public Action<long>? OnGone { get; set; }

    /// <summary>An earlier agent started it: what its devices are held to is not known.</summary>
    public bool IsAdopted { get; }

    /// <summary>Whether a start that an earlier agent began may be finished: not before the lock was seen to be this host's still.</summary>
    public bool MayBegin { get; set; }

    /// <summary>Completes when QEMU has ended and the machine is off. Its run directory is gone when the machine can be entered.</summary>
    public Task Ended => ended.Task;

    /// <summary>Changes the record in memory and in the run directory.</summary>
    public void Remember(Func<RunRecord, RunRecord> change)
    {
        Record = change(Record);
        Record.Write(Directory);
    }

    /// <summary>As <see cref="Remember"/>, where what was done has been done already: what cannot be written is known to this agent alone.</summary>
    public void TryRemember(Func<RunRecord, RunRecord> change)
    {
        try
        {
            Remember(change);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The run directory's disk is full: machines go on, and are powered off, all the same.
        }
    }

    /// <summary>The lock is held at <paramref name="epoch"/>. In memory alone: the lock itself tells a restarted agent, and a guest waits.</summary>
    public void Claim(long epoch) => Record = Record with { LockEpoch = epoch };

    /// <summary>Whether this host has the machine, whatever a migration of it has still to do: it has published the epoch that decides.</summary>
    public bool IsDecided => Record.Migration is not { } migration || Record.LockEpoch > migration.SourceEpoch;

    /// <summary>True once this agent has let go of a QEMU that runs on.</summary>
    public bool IsDetached { get; private set; }

    /// <summary>Lets go of a QEMU that runs on: the agent ends.</summary>
    public async Task DetachAsync()
    {
        IsDetached = true;
        await Qmp.DisposeAsync();
    }

    /// <param name="failure">What went wrong in <see cref="OnGone"/>.</param>
    public void MarkEnded(Exception? failure = null)
    {
        if (failure is null)
            ended.TrySetResult();
        else
            ended.TrySetException(failure);
    }
}
