using System.Diagnostics;
using System.Globalization;

namespace Alveare.Kvm.Qemu;

/// <summary>Starts QEMU so that it outlives the agent and so that the cause of its end is known afterwards.</summary>
/// <remarks>A few lines of shell in a session of their own: one half gives up all rights and becomes QEMU; the other puts it into the machine's
/// control groups and writes the exit status into the run directory. A shell stays because only a parent learns an exit status, and the
/// agent may not be there at that time.</remarks>
internal static class Shim
{
    // A group of version 1 is joined by the process itself, as its only thread, before it becomes QEMU: it takes 0.1 ms, and all that QEMU takes is counted
    // there. Version 2 moves whole processes only, which takes the kernel 10 to 40 ms (cgroup_threadgroup_rwsem waits for an RCU grace period) in which
    // nothing on the machine forks. QEMU does not wait for that: it loads its libraries and firmware meanwhile, and has run no guest for long when it is
    // moved. The shell stays outside, so that the group is empty as soon as QEMU has ended. One that ended before it was moved is no error of the move.
    private const string Script =
        """
        dir=$1 uid=$2 gid=$3 groups=$4 count=$5
        shift 5
        exec </dev/null >>"$dir/qemu.log" 2>&1
        (
            while [ "$count" -gt 0 ]; do
                [ ! -e "$1/tasks" ] || echo 0 >"$1/tasks" || echo "joining the control group $1 failed"
                shift; count=$((count - 1))
            done
            exec setpriv --reuid="$uid" --regid="$gid" $groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
        ) &
        pid=$!
        echo $pid >"$dir/pid"
        while [ "$count" -gt 0 ]; do
            [ -e "$1/tasks" ] || { echo $pid >"$1/cgroup.procs"; } 2>/dev/null || ! kill -0 $pid 2>/dev/null || echo "joining the control group $1 failed"
            shift; count=$((count - 1))
        done
        wait $pid
        echo $? >"$dir/exit"
        """;

    /// <summary>Starts the shim; it is the agent's child, so its end can be awaited while this agent lives.</summary>
    public static Process Start(RunDirectory run, QemuUser user, IReadOnlyList<string> controlGroups, IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo("setsid") { UseShellExecute = false, WorkingDirectory = "/" };
        var arguments = start.ArgumentList;
        foreach (var argument in (ReadOnlySpan<string>)["/bin/sh", "-c", Script, "alveare-vm", run.Path])
            arguments.Add(argument);
        arguments.Add(user.Uid.ToString(CultureInfo.InvariantCulture));
        arguments.Add(user.Gid.ToString(CultureInfo.InvariantCulture));
        arguments.Add(user.ExtraGroups.Count == 0 ? "--clear-groups" : $"--groups={string.Join(',', user.ExtraGroups)}");
        arguments.Add(controlGroups.Count.ToString(CultureInfo.InvariantCulture));
        foreach (var argument in controlGroups.Concat(command))
            arguments.Add(argument);
        // QEMU needs neither the agent's environment nor anything secret that may be in it.
        start.Environment.Clear();
        start.Environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
        return Process.Start(start)!;
    }
}
