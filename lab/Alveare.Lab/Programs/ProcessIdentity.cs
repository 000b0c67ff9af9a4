using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Alveare.Lab.Programs;

/// <summary>One process and no later one with the same number: the number and the time it was started, in this boot of the machine.</summary>
/// <param name="StartTicks">Clock ticks since boot: field 22 of <c>/proc/PID/stat</c>.</param>
public sealed record ProcessIdentity(int Pid, long StartTicks, string Boot)
{
    /// <summary>The process that has this number now, or null.</summary>
    public static ProcessIdentity? Of(int pid) => StartOf(pid) is { } start ? new ProcessIdentity(pid, start, CurrentBoot) : null;

    public bool IsAlive => Boot == CurrentBoot && StartOf(Pid) == StartTicks;

    private static string CurrentBoot { get; } = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>Sends a signal; nothing happens when the process has ended.</summary>
    public void Signal(int signal)
    {
        const int NoSuchProcess = 3;
        if (IsAlive && Kill(Pid, signal) != 0 && Marshal.GetLastPInvokeError() is var error and not NoSuchProcess)
            throw new Win32Exception(error);
    }

    /// <summary>SIGKILL, and waits until the process is gone.</summary>
    public async Task KillAsync(TimeSpan bound)
    {
        Signal(9);
        if (!await EndedAsync(bound))
            throw new LabException($"Process {Pid} did not end within {bound.TotalSeconds:0} s of being killed.");
    }

    /// <summary>Whether the process has ended before <paramref name="bound"/> was over.</summary>
    public async Task<bool> EndedAsync(TimeSpan bound)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (IsAlive)
        {
            if (clock.Elapsed > bound)
                return false;
            await Task.Delay(10);
        }

        return true;
    }

    // A dead process that its parent has not collected yet is no process any more.
    private static long? StartOf(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            // The program's name, in brackets, may hold blanks and brackets itself.
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
