using System.CommandLine;
using System.CommandLine.Parsing;
using Alveare.Cli.Commands;
using Alveare.Cli.Running;
using Alveare.Cli.WhatIf;

namespace Alveare.Cli;

/// <summary>The command line: all commands, and how one is run.</summary>
public static class CommandLineProgram
{
    public static RootCommand Create(CliEnvironment environment)
    {
        var global = new GlobalOptions();
        var commands = new CliCommands(environment, global);
        var root = new RootCommand(
            "Alveare: many hosts as one. Names, ids and inventory paths are all accepted. "
            + "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no server or login.");
        foreach (var option in global.All)
            root.Options.Add(option);
        foreach (var command in (IEnumerable<Command>)
        [
            VmCommands.Group(commands),
            HostCommands.Group(commands),
            RuleCommands.Group(commands),
            .. SiteCommands.Groups(commands),
            PoolCommands.Group(commands),
            TaskCommands.Group(commands),
            EventCommands.Group(commands),
            UserCommands.Group(commands),
            PlanCommands.Group(commands),
            .. SessionCommands.All(commands),
            CompletionCommand.New(commands),
        ])
        {
            root.Subcommands.Add(command);
        }

        // Help in the manner of another system is no use here, and would be offered by completion.
        foreach (var help in root.Options.OfType<System.CommandLine.Help.HelpOption>())
        {
            help.Aliases.Remove("/h");
            help.Aliases.Remove("/?");
        }

        return root;
    }

    /// <summary>Runs one command line and answers its exit code.</summary>
    public static async Task<int> RunAsync(string[] arguments, CliEnvironment environment, CancellationToken interrupted)
    {
        var parsed = Create(environment).Parse(arguments);
        // A shell that asks what fits gives words that are not whole yet: the parser counts no errors then.
        if (parsed.Action is not System.CommandLine.Help.HelpAction && (parsed.Errors.Count > 0 || OptionsTakenForNames(parsed).Any()))
        {
            foreach (var message in MessagesOf(parsed))
                await environment.Error.WriteLineAsync($"alveare: {message}");
            await environment.Error.WriteLineAsync($"See 'alveare {PathOf(parsed.CommandResult)}--help'.");
            return ExitCode.Usage;
        }

        var invocation = new InvocationConfiguration
        {
            Output = environment.Out, Error = environment.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null,
        };
        return await parsed.InvokeAsync(invocation, interrupted);
    }

    // A word that is no command is the mistake: that a command is missing then, and what the words after it could mean, is no help.
    private static IEnumerable<string> MessagesOf(ParseResult parsed) =>
        parsed.UnmatchedTokens is [var first, ..] && parsed.CommandResult.Command.Subcommands.Count > 0
            ? [$"'{first}' is no command or option here."]
            : parsed.Errors.Select(e => e.Message).Concat(OptionsTakenForNames(parsed)).Distinct();

    // The parser gives a mistyped option to an argument that has room for it; it must not be looked for as a name.
    private static IEnumerable<string> OptionsTakenForNames(ParseResult parsed) =>
        parsed.Tokens.Any(t => t.Type == TokenType.DoubleDash)
            ? []
            : parsed.CommandResult.Children.OfType<ArgumentResult>()
                .SelectMany(a => a.Tokens)
                .Where(t => t.Value is ['-', _, ..])
                .Select(t => $"'{t.Value}' is no option here; a name that begins like one comes after '--'.");

    private static string PathOf(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{PathOf(parent)}{result.Command.Name} " : "";
}
