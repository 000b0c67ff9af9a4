using System.CommandLine;
using Alveare.Cli.Client;
using Alveare.Model.Faults;

namespace Alveare.Cli.Running;

/// <summary>What commands are made with: the options they all share, and the one place that turns failures into exit codes.</summary>
public sealed class CliCommands(CliEnvironment environment, GlobalOptions global)
{
    /// <summary>A command that does something and answers its exit code.</summary>
    public Command New(string name, string description, IEnumerable<Symbol> takes, Func<Run, Task<int>> run)
    {
        var command = new Command(name, description);
        Fill(command, takes, run);
        return command;
    }

    /// <summary>Gives a command its arguments, options and work.</summary>
    public void Fill(Command command, IEnumerable<Symbol> takes, Func<Run, Task<int>> work)
    {
        foreach (var symbol in takes)
        {
            if (symbol is Argument argument)
                command.Arguments.Add(argument);
            else
                command.Options.Add((Option)symbol);
        }

        command.SetAction((parsed, interrupted) => GuardAsync(parsed, work, interrupted));
    }

    /// <summary>A command that is only a word before others.</summary>
    public static Command Group(string name, string description, params IEnumerable<Command> commands)
    {
        var group = new Command(name, description);
        foreach (var command in commands)
            group.Subcommands.Add(command);
        return group;
    }

    internal TimeSpan CompletionTime => environment.CompletionTime;

    internal Run NewRun(ParseResult parsed, CancellationToken interrupted) => new(environment, global, parsed, interrupted);

    private async Task<int> GuardAsync(ParseResult parsed, Func<Run, Task<int>> work, CancellationToken interrupted)
    {
        using var run = NewRun(parsed, interrupted);
        try
        {
            return await work(run);
        }
        catch (Exception e) when (e is RestFaultException or NotReachableException or FaultException or UsageException)
        {
            return await run.SayAsync(e);
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    }
}
