using System.CommandLine;
using System.CommandLine.Help;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Alveare.Model.Faults;
using Microsoft.Extensions.Logging.Console;

namespace Alveare.Running;

/// <summary>What both programs do around their work: options, logs on stderr, signals, the ready line, exit codes.</summary>
internal static class ProgramRun
{
    /// <summary>Level of the log on stderr.</summary>
    public static Option<LogLevel> LogLevelOption() => new("--log-level")
    {
        Description = "What to log on stderr: Trace, Debug, Information, Warning, Error, Critical or None.",
        DefaultValueFactory = _ => LogLevel.Information,
    };

    public static Option<IPEndPoint> ListenOption(int port) => new("--listen")
    {
        Description = "Address and port to listen on.",
        HelpName = "ADDRESS:PORT",
        DefaultValueFactory = _ => new IPEndPoint(IPAddress.Any, port),
        CustomParser = result =>
        {
            if (IPEndPoint.TryParse(result.Tokens[0].Value, out var endPoint))
                return endPoint;
            result.AddError($"--listen is '{result.Tokens[0].Value}', expected an IP address and a port, such as 198.18.0.11:{port}.");
            return null;
        },
    };

    public static Option<string> StateOption(string standard) => new("--state")
    {
        Description = "Directory of everything the program must remember.",
        HelpName = "DIR",
        DefaultValueFactory = _ => standard,
    };

    /// <summary>Runs a command line; 0 is a clean end, 2 a wrong command line, 1 anything else.</summary>
    public static async Task<int> InvokeAsync(RootCommand command, string[] arguments, Func<ParseResult, CancellationToken, Task> work)
    {
        command.SetAction((parsed, _) => UntilSignalAsync(cancellation => work(parsed, cancellation)));
        var parsed = command.Parse(arguments);
        if (parsed.Action is not HelpAction && parsed.Errors.Count > 0)
        {
            // One line for each mistake, and not all of the help with it, which would bury them.
            foreach (var error in parsed.Errors)
                await Console.Error.WriteLineAsync(error.Message);
            await Console.Error.WriteLineAsync($"See '{command.Name} --help'.");
            return 2;
        }

        // Signals are ours: a clean end takes as long as it takes, and its exit code is 0.
        return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }

    public static ILoggerFactory CreateLogs(LogLevel level) => LoggerFactory.Create(logs => logs
        .SetMinimumLevel(level)
        // What the web server says of each connection and request helps nobody unless asked for.
        .AddFilter("Microsoft", level <= LogLevel.Debug ? level : LogLevel.Warning)
        // What keeps a program from starting is the last thing it says, without a trace of calls before it.
        .AddFilter("Microsoft.Extensions.Hosting", level <= LogLevel.Debug ? level : LogLevel.None)
        .AddFilter("Grpc", level <= LogLevel.Debug ? level : LogLevel.Critical)
        .AddConsole(console =>
        {
            console.LogToStandardErrorThreshold = LogLevel.Trace;
            console.FormatterName = Environment.GetEnvironmentVariable("JOURNAL_STREAM") is null ? ConsoleFormatterNames.Simple : ConsoleFormatterNames.Systemd;
        })
        .AddSimpleConsole(line =>
        {
            line.SingleLine = true;
            line.TimestampFormat = "HH:mm:ss.fff ";
            line.UseUtcTimestamp = true;
            line.ColorBehavior = LoggerColorBehavior.Disabled;
        }));

    /// <summary>Says on one line of stdout, and to systemd, that the program serves now.</summary>
    public static void Ready(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
        NotifySystemd("READY=1");
    }

    private static async Task<int> UntilSignalAsync(Func<CancellationToken, Task> work)
    {
        using var end = new CancellationTokenSource();
        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;
            end.Cancel();
        }

        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        try
        {
            await work(end.Token);
            return 0;
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            return 0;
        }
        catch (Exception e) when (e is ProgramError or FaultException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }
    }

    // sd_notify(3): one datagram to the socket that systemd named, in the abstract namespace when it begins with '@'.
    private static void NotifySystemd(string state)
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is not { Length: > 0 } path)
            return;
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.SendTo(Encoding.UTF8.GetBytes(state), new UnixDomainSocketEndPoint(path[0] == '@' ? $"\0{path[1..]}" : path));
    }
}
