using System.Runtime.InteropServices;
using System.Text;
using Alveare.Cli;
using Alveare.Cli.Consoles;
using Alveare.Cli.Running;

const int BrokenPipe = 32;

using var interrupt = new CancellationTokenSource();
void OnSignal(PosixSignalContext context)
{
    // The second Ctrl-C ends the program at once, as without us.
    context.Cancel = !interrupt.IsCancellationRequested;
    interrupt.Cancel();
}

using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
await using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = false };
await using var error = new StreamWriter(Console.OpenStandardError(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };

var cache = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") ?? Environment.GetEnvironmentVariable("XDG_CACHE_HOME")
    ?? (Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } home ? Path.Combine(home, ".cache") : null);
var environment = new CliEnvironment(output, error, Environment.GetEnvironmentVariable)
{
    OpenInput = RawTerminal.OpenInput,
    OpenOutput = Console.OpenStandardOutput,
    IsTerminal = !Console.IsInputRedirected,
    IsWatched = !Console.IsErrorRedirected,
    CacheDirectory = cache is null ? null : Path.Combine(cache, "alveare"),
};
try
{
    var code = await CommandLineProgram.RunAsync(args, environment, interrupt.Token);
    // Here, where it can still be said that it failed: the end of the program is too late.
    await output.FlushAsync();
    return code;
}
catch (IOException e) when (e.HResult == BrokenPipe)
{
    // Whoever read the output has gone, as 'head' does.
    return ExitCode.Done;
}
catch (IOException e)
{
    await error.WriteLineAsync($"alveare: The output cannot be written: {e.Message}");
    return ExitCode.Fault;
}
