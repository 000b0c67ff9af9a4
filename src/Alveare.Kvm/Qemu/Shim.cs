using System.Diagnostics;
using System.Globalization;

namespace Alveare.Kvm.Qemu;

/// <summary>Starts QEMU so that it outlives the agent and so that the cause of its end is known afterwards.</summary>
/// <remarks>A few lines of shell in a session of their own: join the machine's control groups, give up all rights, become QEMU; the
/// waiting half writes the exit status into the run directory. A shell stays because only a parent learns an exit status, and the
/// agent may not be there at that time.</remarks>
internal static class Shim
{
    // "echo 0" into cgroup.procs moves the writer itself, on cgroup v1 and v2 alike; the shell stays outside, so that the group is
    // empty as soon as QEMU has ended. setpriv comes last: joining needs root.
    private const string Script =
        """
        dir=$1 uid=$2 gid=$3 groups=$4 count=$5
        shift 5
        exec </dev/null >>"$dir/qemu.log" 2>&1
        (
            while [ "$count" -gt 0 ]; do echo 0 >"$1/cgroup.procs" || exit 126; shift; count=$((count - 1)); done
            exec setpriv --reuid="$uid" --regid="$gid" $groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
        ) &
        echo $! >"$dir/pid"
        wait $!
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
