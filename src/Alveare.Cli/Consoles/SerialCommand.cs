using System.CommandLine;
using System.Diagnostics;
using Alveare.Cli.Client;
using Alveare.Cli.Running;

namespace Alveare.Cli.Consoles;

/// <summary><c>vm console</c>: a machine's serial console in this terminal.</summary>
internal static class SerialCommand
{
    // Ctrl-], as telnet has it.
    private const byte Escape = 0x1d;

    // Where a machine has moved to may not be known for a while, such as when its new host does not answer.
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    public static Command New(CliCommands commands)
    {
        var vm = Takes.Existing(commands, "vm");
        return commands.New("console", "Use a machine's serial console in this terminal; Ctrl-] leaves it", [vm], async run =>
        {
            var id = await run.IdOfAsync("vm", run.Value(vm));
            var first = await ConsoleLine.OpenAsync(run, id, "serial");
            using var terminal = run.Environment.IsTerminal ? RawTerminal.Enter() : null;
            var (input, output) = (run.Environment.OpenInput(), run.Environment.OpenOutput());
            await SayAsync(run, terminal, $"Connected to the serial console of '{run.Value(vm)}'. {(terminal is null ? "The end of the input" : "Ctrl-]")} leaves it.");
            var typed = new TypedInput(input, terminal is null ? null : Escape);
            var ended = await StayAsync(run, id, first, typed, output, terminal);
            await SayAsync(run, terminal, ended?.Message ?? "Left the console; the machine runs on.");
            return ended is null ? ExitCode.Done : ExitCode.Fault;
        });
    }

    // Null: whoever types has left.
    private static async Task<ConsoleClose?> StayAsync(Run run, string id, ConsoleLine first, TypedInput typed, Stream output, RawTerminal? terminal)
    {
        var line = first;
        while (true)
        {
            using (line)
            {
                using var over = CancellationTokenSource.CreateLinkedTokenSource(run.Interrupted);
                var reading = line.ReadAsync(piece => WriteAsync(output, piece), over.Token);
                var typing = typed.SendAsync(line, over.Token);
                if (await Task.WhenAny(reading, typing) == typing && await typing)
                {
                    await line.CloseAsync();
                    await over.CancelAsync();
                    return null;
                }

                var close = await reading;
                await over.CancelAsync();
                if (!close.IsPassing)
                    return close;
                await SayAsync(run, terminal, $"{close.Message} Connecting again …");
            }

            if (await ReopenAsync(run, id, typed) is not { } again)
                return null;
            line = again;
            await SayAsync(run, terminal, "Connected again.");
        }
    }

    // Null: whoever types has left in the meantime.
    private static async Task<ConsoleLine?> ReopenAsync(Run run, string id, TypedInput typed)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return await ConsoleLine.OpenAsync(run, id, "serial");
            }
            catch (RestFaultException e) when (e.Problem.Code == "InvalidState" && Stopwatch.GetElapsedTime(began) < Patience)
            {
                if (typed.HasLeft)
                    return null;
                await Task.Delay(Retry, run.Interrupted);
            }
        }
    }

    private static async Task WriteAsync(Stream output, ReadOnlyMemory<byte> piece)
    {
        await output.WriteAsync(piece);
        await output.FlushAsync();
    }

    // A raw terminal needs both ends of a line said.
    private static Task SayAsync(Run run, RawTerminal? terminal, string message) =>
        run.Environment.Error.WriteAsync(terminal is null ? $"alveare: {message}\n" : $"\r\nalveare: {message}\r\n");
}
