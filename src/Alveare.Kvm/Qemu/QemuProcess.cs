using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Alveare.Kvm.Qmp;
using Alveare.Model;

namespace Alveare.Kvm.Qemu;

/// <summary>One running QEMU: started by this agent, or found again by it.</summary>
public sealed class QemuProcess
{
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StatusTimeout = TimeSpan.FromSeconds(5);

    // The steps in which a file that is due within a millisecond is looked for: a watch costs more than it saves here.
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(1);

    // A process that has begun to close its files is at the last of them within microseconds: that is waited for without giving the thread away.
    private static readonly TimeSpan EndingSoon = TimeSpan.FromMilliseconds(2);

    // A busy machine may need seconds; what hangs, hangs for ever.
    private static readonly TimeSpan FirstGreeting = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan EndingTime = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(100);

    internal QemuProcess(RunDirectory run, int pid, QmpConnection qmp)
    {
        Run = run;
        Pid = pid;
        Qmp = qmp;
        Qmp.IsAlive = () => Run.ReadExitStatus() is null && IsOurs(Run, Pid);
    }

    public RunDirectory Run { get; }

    public int Pid { get; }

    public QmpConnection Qmp { get; }

    /// <summary>Starts QEMU and returns when it answers on its control socket. Its guest does not execute yet.</summary>
    /// <remarks>A connection that meets QEMU 7.2 in its very first moments can hang for ever. Nothing runs in it then, so it is ended and
    /// started once more.</remarks>
    /// <exception cref="QemuStartException">It ended first; the exception has what it said.</exception>
    public static async Task<QemuProcess> StartAsync(
        Nursery nursery,
        RunDirectory run,
        QemuUser user,
        IReadOnlyList<string> controlGroups,
        IReadOnlyList<string> command,
        Action<QmpEvent> onEvent,
        CancellationToken cancellation)
    {
        try
        {
            return await TryStartAsync(nursery, run, user, controlGroups, command, onEvent, FirstGreeting, cancellation);
        }
        catch (QemuStartException e) when (e.IsMute && !Lives(run))
        {
            run.Forget();
            return await TryStartAsync(nursery, run, user, controlGroups, command, onEvent, ReadyTimeout, cancellation);
        }
    }

    private static async Task<QemuProcess> TryStartAsync(
        Nursery nursery,
        RunDirectory run,
        QemuUser user,
        IReadOnlyList<string> controlGroups,
        IReadOnlyList<string> command,
        Action<QmpEvent> onEvent,
        TimeSpan greeting,
        CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(ReadyTimeout);
        await nursery.StartAsync(run, user, controlGroups, command);
        try
        {
            var pid = await AwaitPidAsync(run, limit.Token);
            await DirectoryWatch.UntilAsync([run.Path, run.Sockets], () => File.Exists(run.Qmp) || HasEnded(run, pid), RetryInterval, limit.Token);
            if (!File.Exists(run.Qmp))
            {
                // The shim writes it right after the process has gone, unless it was killed too.
                await AwaitStatusAsync(run, EndingTime);
                throw new QemuStartException(new QemuEnd(run.ReadExitStatus(), run.LastLines(5)));
            }

            return new QemuProcess(run, pid, await ConnectAsync(run, onEvent, greeting, limit.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or QmpClosedException)
        {
            var failure = await GiveUpAsync(run, e);
            cancellation.ThrowIfCancellationRequested();
            throw failure;
        }
    }

    /// <summary>Ends a QEMU that could not be talked to, and says why. It is gone afterwards, but for one that the kernel does not let go of.</summary>
    private static async Task<QemuStartException> GiveUpAsync(RunDirectory run, Exception reason)
    {
        // One that is ending already says more than we can.
        await AwaitStatusAsync(run, EndingTime);
        var isMute = run.ReadExitStatus() is null;
        if (LivingPid(run) is { } pid)
        {
            Native.Kill(pid, Native.SigKill);
            // On a busy machine it may be long until it gets the CPU that it needs to end.
            using var limit = new CancellationTokenSource(ReadyTimeout);
            while (IsOurs(run, pid) && !limit.IsCancellationRequested)
                await Task.Delay(RetryInterval, CancellationToken.None);
        }

        await AwaitStatusAsync(run, StatusTimeout);
        return new QemuStartException(new QemuEnd(run.ReadExitStatus(), run.LastLines(5)), isMute ? reason : null);
    }

    /// <summary>Ends the QEMU of a run directory without a word to it; false when there is none that lives.</summary>
    public static async Task<bool> EndAsync(RunDirectory run)
    {
        if (LivingPid(run) is not { } pid)
            return false;
        Native.Kill(pid, Native.SigKill);
        await AwaitStatusAsync(run, StatusTimeout);
        return true;
    }

    /// <summary>Whether the QEMU of a run directory lives, be it open to words or not.</summary>
    public static bool Lives(RunDirectory run) => LivingPid(run) is not null;

    /// <summary>Finds the QEMU of a run directory again, or returns null when it has ended. Waits for one that lives and does not answer.</summary>
    public static async Task<QemuProcess?> FindAsync(RunDirectory run, Action<QmpEvent> onEvent, CancellationToken cancellation)
    {
        while (LivingPid(run) is { } pid)
        {
            try
            {
                return new QemuProcess(run, pid, await ConnectAsync(run, onEvent, FirstGreeting, cancellation));
            }
            catch (Exception e) when (e is QmpClosedException or IOException)
            {
                // As long as the process lives the machine runs, whatever became of this connection.
                await Task.Delay(RetryInterval, cancellation);
            }
        }

        return null;
    }

    /// <summary>What the process has resident now; nothing when it is gone.</summary>
    public Bytes ReadMemory()
    {
        try
        {
            return new Bytes(long.Parse(File.ReadAllText($"/proc/{Pid}/statm").Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize);
        }
        catch (IOException)
        {
            return Bytes.Zero;
        }
    }

    /// <summary>Ends the process at once. It is gone when <see cref="AwaitEndAsync"/> returns.</summary>
    public void Kill()
    {
        if (Run.ReadExitStatus() is not null || !IsOurs(Run, Pid))
            return;
        // Whoever waits for the end of the connection need not ask whether it lives.
        Qmp.IsAlive = null;
        Native.Kill(Pid, Native.SigKill);
    }

    /// <summary>Waits until the process holds nothing any more: no file, no lock. How it ended may not be written down yet.</summary>
    public async Task AwaitGoneAsync()
    {
        await Qmp.Closed;
        using var process = Native.OpenProcess(Pid);
        // One that cannot be opened is gone already, or else the shim tells.
        if (process.IsInvalid)
            await AwaitStatusAsync(Run, StatusTimeout);
        while (!process.IsInvalid && !Native.HasEnded(process, EndingSoon))
            await Task.Delay(Step);
    }

    /// <summary>Waits until the process has ended, and says how.</summary>
    /// <remarks>A connection can end before the process, and what was locked for the process stays locked until it is gone.</remarks>
    public async Task<QemuEnd> AwaitEndAsync()
    {
        await Qmp.Closed;
        await AwaitStatusAsync(Run, StatusTimeout);
        while (Run.ReadExitStatus() is null && IsOurs(Run, Pid))
            await Task.Delay(RetryInterval);
        await Qmp.DisposeAsync();
        return new QemuEnd(Run.ReadExitStatus(), Run.LastLines(5));
    }

    /// <summary>Whether <paramref name="pid"/> is still the QEMU of this run directory. Its command line names the directory, which no
    /// recycled process id does, also after a reboot.</summary>
    internal static bool IsOurs(RunDirectory run, int pid) => Names(run, ReadCommandLine(pid));

    internal static bool Names(RunDirectory run, byte[] commandLine) => commandLine.AsSpan().IndexOf(Encoding.UTF8.GetBytes(run.Path)) >= 0;

    /// <summary>Nothing of a process that is gone.</summary>
    internal static byte[] ReadCommandLine(int pid)
    {
        try
        {
            return File.ReadAllBytes($"/proc/{pid}/cmdline");
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static async Task<QmpConnection> ConnectAsync(
        RunDirectory run,
        Action<QmpEvent> onEvent,
        TimeSpan patience,
        CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return await QmpConnection.ConnectAsync(run.Qmp, onEvent, patience, cancellation);
            }
            catch (SocketException) when (run.ReadExitStatus() is null && !cancellation.IsCancellationRequested)
            {
                // The socket's name exists from bind() on, a connection is accepted from listen() on.
                await Task.Delay(Step, cancellation);
            }
            catch (SocketException)
            {
                throw new QmpClosedException("QEMU ended before it listened on its control socket");
            }
        }
    }

    private static int? LivingPid(RunDirectory run) =>
        run.ReadExitStatus() is null && run.ReadPid() is { } pid && IsOurs(run, pid) ? pid : null;

    private static bool HasEnded(RunDirectory run, int pid) => run.ReadExitStatus() is not null || Native.Kill(pid, 0) != 0;

    // The shim has begun, and is about to write it down.
    private static async Task<int> AwaitPidAsync(RunDirectory run, CancellationToken cancellation)
    {
        while (true)
        {
            if (run.ReadPid() is { } pid)
                return pid;
            await Task.Delay(Step, cancellation);
        }
    }

    private static async Task AwaitStatusAsync(RunDirectory run, TimeSpan atMost)
    {
        using var limit = new CancellationTokenSource(atMost);
        while (run.ReadExitStatus() is null && !limit.IsCancellationRequested)
            await Task.Delay(Step);
    }
}

/// <summary>QEMU did not start.</summary>
/// <param name="mute">Why a QEMU that did not end by itself was ended, or null for one that did.</param>
public sealed class QemuStartException(QemuEnd end, Exception? mute = null)
    : Exception(mute is null ? end.Describe() : $"it runs and cannot be controlled: {mute.Message}", mute)
{
    public QemuEnd End { get; } = end;

    /// <summary>It lived, and could not be talked to.</summary>
    public bool IsMute => InnerException is not null;
}
