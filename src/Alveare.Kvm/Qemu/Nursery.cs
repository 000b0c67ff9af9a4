using System.Diagnostics;
using System.Globalization;
using System.Text;
using Alveare.Model.Faults;

namespace Alveare.Kvm.Qemu;

/// <summary>Starts QEMUs so that they outlive the agent and so that the cause of their end is known afterwards.</summary>
/// <remarks>One shell in a session of its own, begun at the first start, reads a line for each start from the agent. For each it leaves a process of
/// itself behind, the shim, which forks the process that gives up all rights and becomes QEMU, puts it into the machine's control groups, and writes its
/// exit status into the run directory: only a parent learns it, and the agent may not be there at that time. Forking a shell that has read its script
/// costs a quarter of starting one. It ends when the agent closes its input or is gone; its shims stay.
/// <para>A start happens once however often it is asked for, because a shim goes on only if it is the one that makes the run directory's file
/// <c>pid</c>. So a shell that was killed or hangs is replaced, and what it had not begun is asked of the next.</para></remarks>
/// <param name="runRoot">Directory of the run directories; what the shell complains of is written there.</param>
public sealed class Nursery(string runRoot) : IDisposable
{
    private const int Attempts = 2;

    // The exit status goes into the file that was made at the start: where another start has taken the directory over meanwhile, it is not told of this one's end.
    //
    // The subshell in the foreground ends at once, so that a shim is nobody's child that would have to be waited for.
    //
    // A group of version 1 is joined by the process itself, as its only thread, before it becomes QEMU: it takes 0.1 ms, and all that QEMU takes is counted
    // there. Version 2 moves whole processes only, which takes the kernel 10 to 40 ms (cgroup_threadgroup_rwsem waits for an RCU grace period) in which
    // nothing on the machine forks. QEMU does not wait for that: it loads its libraries and firmware meanwhile, and has run no guest for long when it is
    // moved. The shim stays outside, so that the group is empty as soon as QEMU has ended. One that ended before it was moved is no error of the move.
    private const string Script =
        """
        exec >>"$1/nursery.log" 2>&1
        start() {
            dir=$1 count=$2
            shift 2
            set -C
            exec </dev/null 3>"$dir/pid"
            set +C
            exec >>"$dir/qemu.log" 2>&1 4>"$dir/exit"
            (
                exec 3>&- 4>&-
                while [ "$count" -gt 0 ]; do
                    [ ! -e "$1/tasks" ] || echo 0 >"$1/tasks" || echo "joining the control group $1 failed"
                    shift; count=$((count - 1))
                done
                exec setpriv "$@"
            ) &
            pid=$!
            echo $pid >&3
            exec 3>&-
            while [ "$count" -gt 0 ]; do
                [ -e "$1/tasks" ] || { echo $pid >"$1/cgroup.procs"; } 2>/dev/null || ! kill -0 $pid 2>/dev/null || echo "joining the control group $1 failed"
                shift; count=$((count - 1))
            done
            wait $pid
            echo $? >&4
        }

        """;

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(1);

    private readonly Lock sync = new();
    private Process? shell;
    private bool disposed;

    /// <summary>How long the shell may take to begin a start. A busy machine may need seconds; what hangs, hangs for ever.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Starts a program as an unprivileged user; returns when its shim runs.</summary>
    /// <param name="run">An empty run directory: the program's id, its exit status and what it prints are written there.</param>
    /// <exception cref="FaultException">The shell that should start it ended or hung, and so did the one after it.</exception>
    public async Task StartAsync(RunDirectory run, QemuUser user, IReadOnlyList<string> controlGroups, IReadOnlyList<string> command)
    {
        // In braces: a shell that loses its agent in the middle of the line does not take the half for the whole.
        var line = $"{{ ( start {Words([run.Path, controlGroups.Count.ToString(CultureInfo.InvariantCulture), .. controlGroups, .. user.Drop(), .. command])} & ) }}\n";
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var asked = Ask(line);
            if (await HasBegunAsync(run, asked))
                return;
            GiveUp(asked);
        }

        throw new FaultException(new HostOperationFailed(
            $"Starting a process for '{run.Path}'",
            $"the shell that starts it ended or hung {Attempts} times before it had begun; what it said is in '{Path.Combine(runRoot, "nursery.log")}'"));
    }

    /// <summary>Ends the shell; what it started runs on.</summary>
    public void Dispose()
    {
        lock (sync)
        {
            disposed = true;
            // Not the process: who waits for a start still asks whether it lives.
            shell?.StandardInput.BaseStream.Dispose();
        }
    }

    /// <summary>Text as words of the shell: between single quotes nothing but the single quote means anything to it.</summary>
    private static string Words(IEnumerable<string> words) =>
        string.Join(' ', words.Select(w => $"'{w.Replace("'", @"'\''", StringComparison.Ordinal)}'"));

    private Process Ask(string line)
    {
        lock (sync)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (shell is null)
            {
                shell = Begin();
                line = Script + line;
            }

            try
            {
                shell.StandardInput.BaseStream.Write(Encoding.UTF8.GetBytes(line));
            }
            catch (IOException)
            {
                // It has ended: whoever waits for the start sees that.
            }

            return shell;
        }
    }

    private void GiveUp(Process asked)
    {
        asked.Kill();
        lock (sync)
        {
            asked.StandardInput.BaseStream.Dispose();
            if (shell == asked)
                shell = null;
        }
    }

    private Process Begin()
    {
        var start = new ProcessStartInfo("setsid", ["/bin/sh", "-s", runRoot]) { UseShellExecute = false, WorkingDirectory = "/", RedirectStandardInput = true };
        // QEMU needs neither the agent's environment nor anything secret that may be in it.
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
        Native.KeepHandlesFromPrograms();
        return Process.Start(start)!;
    }

    private async Task<bool> HasBegunAsync(RunDirectory run, Process asked)
    {
        var since = Stopwatch.GetTimestamp();
        while (!run.HasBegun)
        {
            if (asked.HasExited || Stopwatch.GetElapsedTime(since) > Patience)
                return run.HasBegun;
            await Task.Delay(Step);
        }

        return true;
    }
}
