using System.Diagnostics;
using System.Text.RegularExpressions;
using Alveare.Core.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>The program <c>Alveare.Host</c> as a process of its own.</summary>
internal sealed partial class AgentProcess : IAsyncDisposable
{
    private readonly Process process;

    private AgentProcess(Process process) => this.process = process;

    /// <summary>Starts the agent of host <paramref name="name"/> in a room; the same name again is the same host.</summary>
    public static AgentProcess Start(MachineRoom room, string name) => Start(room, name, ["--listen", "127.0.0.1:0"], @namespace: null);

    /// <summary>Starts an agent with further arguments, in a network namespace if one is given.</summary>
    public static AgentProcess Start(MachineRoom room, string name, string[] arguments, string? @namespace)
    {
        string[] command = [Program, "--state", StateOf(room, name), "--run", System.IO.Path.Combine(StateOf(room, name), "run"), "--name", name, .. arguments];
        // ip becomes the program that it runs: the process is the agent.
        string[] all = @namespace is null ? command : ["ip", "netns", "exec", @namespace, .. command];
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        // The runtime's own sockets, which one that is killed leaves, go with the room.
        start.Environment["TMPDIR"] = room.Path;
        return new AgentProcess(Process.Start(start)!);
    }

    /// <summary>Waits for the ready line and makes of it what an administrator would type to join the host.</summary>
    public async Task<HostInvitation> ReadyAsync()
    {
        var line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(MachineRoom.Patience);
        if (line is null)
            Assert.Fail($"The agent ended without being ready: {await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken)}");
        var said = Said().Matches(line).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
        var password = await File.ReadAllTextAsync(said["password-file"], TestContext.Current.CancellationToken);
        return new HostInvitation(said["address"], said["fingerprint"], said["user"], password.Trim(), Force: false);
    }

    public void Signal(int signal) => Signals.Send(process.Id, signal);

    /// <summary>The exit code and what it said on stderr.</summary>
    public async Task<(int Code, string Said)> EndedAsync()
    {
        var said = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken).WaitAsync(MachineRoom.Patience);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(MachineRoom.Patience);
        return (process.ExitCode, said);
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
            process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }

    // Beside the tests: tests/X/bin/CONFIGURATION/FRAMEWORK and src/Y/bin/CONFIGURATION/FRAMEWORK.
    private static string Program
    {
        get
        {
            var here = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
            var root = here.Parent!.Parent!.Parent!.Parent!.Parent!.FullName;
            return Path.Combine(root, "src", "Alveare.Host", "bin", here.Parent.Name, here.Name, "Alveare.Host");
        }
    }

    private static string StateOf(MachineRoom room, string name) => Path.Combine(room.Path, name);

    [GeneratedRegex(@"([a-z-]+)=(\S+)")]
    private static partial Regex Said();
}
