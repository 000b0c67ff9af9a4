using System.Diagnostics;
using System.Text.RegularExpressions;
using Alveare.Lab.Layout;

namespace Alveare.Lab.Programs;

/// <summary>One of the product's programs in its namespace of the lab. It outlives the command that started it.</summary>
public sealed partial class LabProgram(LabPlan plan, string name, string namespaceName, string assembly)
{
    // Its own view of /sys, because that shows the devices of the network namespace that mounted it; the control groups, which hang below
    // /sys, are taken along. The shared storage is mounted like a network file system would be: here and nowhere else.
    private const string Entering =
        """
        set -e
        shared=$1 mount=$2 log=$3 ready=$4
        shift 4
        mount --rbind /sys/fs/cgroup "$mount"
        mount -t sysfs sysfs /sys
        mount --move "$mount" /sys/fs/cgroup
        mount --bind "$shared" "$mount"
        exec "$@" >"$ready" 2>>"$log" </dev/null
        """;

    /// <summary>Longer than a program takes to start, and a site to be ready, on a machine however busy.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    public string Name => name;

    public string State => plan.StateOf(name);

    private string ReadyFile => Path.Combine(plan.State, $"{name}.ready");

    private string IdentityFile => Path.Combine(plan.State, $"{name}.process");

    /// <summary>The process as it was started last, alive or not; null before the first start.</summary>
    public ProcessIdentity? Process => ProcessFile.Read(IdentityFile);

    public bool IsRunning => Process is { IsAlive: true };

    /// <summary>Starts it unless it runs, and waits for its ready line. Answers whether it was started.</summary>
    public async Task<bool> EnsureAsync(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        var running = IsRunning;
        if (!running)
            Start(arguments, environment);
        await ReadyAsync();
        return !running;
    }

    /// <summary>What the ready line says, such as <c>fingerprint</c>.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ReadyAsync()
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (ReadyLine() is { } line)
                return Said().Matches(line).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
            if (!IsRunning)
                throw new LabException($"{name} ended before it was ready. The end of {plan.LogOf(name)}:\n{LastLines()}");
            if (clock.Elapsed > Patience)
                throw new LabException($"{name} was not ready within {Patience.TotalSeconds:0} s. The end of {plan.LogOf(name)}:\n{LastLines()}");
            await Task.Delay(20);
        }
    }

    /// <summary>SIGTERM, and SIGKILL to one that does not listen.</summary>
    public async Task StopAsync()
    {
        if (Process is not { IsAlive: true } process)
            return;
        process.Signal(15);
        if (!await process.EndedAsync(TimeSpan.FromSeconds(10)))
            await process.KillAsync(TimeSpan.FromSeconds(10));
    }

    private void Start(IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        Directory.CreateDirectory(State);
        File.Delete(ReadyFile);
        string[] command =
        [
            "nsenter", $"--net=/run/netns/{namespaceName}", "unshare", "--mount", "--propagation", "private",
            "sh", "-c", Entering, name, plan.SharedDirectory, plan.MountPoint, plan.LogOf(name), ReadyFile, Built.Program(assembly), .. arguments,
        ];
        // Every step becomes the next one by exec, so the process started here is the program, in a session of its own.
        var start = new ProcessStartInfo("setsid", command) { UseShellExecute = false, WorkingDirectory = "/" };
        // A .NET program has sockets there for those who diagnose it, and one that is killed leaves them.
        start.Environment["TMPDIR"] = plan.TemporaryDirectory;
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        var process = System.Diagnostics.Process.Start(start)!;
        ProcessFile.Write(IdentityFile, ProcessIdentity.Of(process.Id));
    }

    private string? ReadyLine()
    {
        try
        {
            var text = File.ReadAllText(ReadyFile);
            return text.EndsWith('\n') ? text.Trim() : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private string LastLines()
    {
        try
        {
            return string.Join('\n', File.ReadLines(plan.LogOf(name)).TakeLast(10));
        }
        catch (IOException)
        {
            return "(there is none)";
        }
    }

    [GeneratedRegex(@"([a-z-]+)=(\S+)")]
    private static partial Regex Said();
}
