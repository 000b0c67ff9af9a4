using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alveare.Cli.Client;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Running;

/// <summary>A command that submits one operation and follows its task.</summary>
internal sealed class OperationCommand : Command
{
    private readonly TaskFollower _follower = new();
    private Func<Run, TaskDto, Task>? _afterwards;

    private OperationCommand(string operation, string name, string description)
        : base(name, description) => Operation = operation;

    /// <summary>Name of the operation in the server's catalogue, such as <c>vm.power-on</c>.</summary>
    public string Operation { get; }

    /// <summary>A command on one or more named objects, all at once.</summary>
    /// <param name="takes">Options; those whose values go into the body.</param>
    /// <param name="body">Makes the body, the same for all.</param>
    public static OperationCommand OnMany(
        CliCommands commands, string operation, string description, IReadOnlyList<Option> takes, Func<Run, Task<JsonObject?>> body)
    {
        var (kind, verb) = Split(operation);
        var names = new Argument<string[]>(kind.ToUpperInvariant())
        {
            Arity = ArgumentArity.OneOrMore, Description = $"Name, id or inventory path of each {kind}", HelpName = kind.ToUpperInvariant(),
        };
        names.CompletionSources.Add(NameCompletion.Of(commands, kind));
        var command = new OperationCommand(operation, verb, description);
        commands.Fill(command, [names, .. takes, .. command._follower.Options], async run =>
        {
            // All names first: a mistyped one must not leave the work half begun.
            var ids = await run.IdsOfAsync(kind, run.Value(names));
            return await command.SubmitAsync(run, ids, await body(run));
        });
        return command;
    }

    /// <summary>A command on an object that its options lead to.</summary>
    /// <param name="target">Id of the object it is done to.</param>
    /// <param name="afterwards">What is to be said about a task that succeeded.</param>
    public static OperationCommand On(
        CliCommands commands, string operation, string name, string description, IReadOnlyList<Symbol> takes,
        Func<Run, Task<string>> target, Func<Run, string, Task<JsonObject?>> body,
        Func<Run, TaskDto, Task>? afterwards = null)
    {
        var command = new OperationCommand(operation, name, description) { _afterwards = afterwards };
        commands.Fill(command, [.. takes, .. command._follower.Options], async run =>
        {
            var id = await target(run);
            return await command.SubmitAsync(run, [id], await body(run, id));
        });
        return command;
    }

    /// <summary>Refuses a line without options: it would succeed and change nothing.</summary>
    /// <param name="places">Options that only say where something is changed.</param>
    public OperationCommand Changing(params Option[] places)
    {
        Option[] changes = [.. Options.Except(_follower.Options).Except(places)];
        Validators.Add(result =>
        {
            if (!changes.Any(o => result.GetResult(o) is { Implicit: false }))
                result.AddError($"There is nothing to change; expected an option such as {changes[0].Name}.");
        });
        return this;
    }

    /// <summary>For what can end the session that it is submitted with: nobody could ask afterwards how it ended, so the submission itself waits.</summary>
    public OperationCommand EndingSessions()
    {
        _follower.WaitInSubmission();
        return this;
    }

    private static (string Kind, string Verb) Split(string operation)
    {
        var dot = operation.IndexOf('.', StringComparison.Ordinal);
        return (operation[..dot], operation[(dot + 1)..]);
    }

    private async Task<int> SubmitAsync(Run run, IReadOnlyList<string> ids, JsonObject? body)
    {
        run.Interrupted.ThrowIfCancellationRequested();
        // Ctrl-C leaves an answer that is on its way some time: it brings the task's id, without which nobody can say what runs on, or cancel it.
        using var late = new CancellationTokenSource();
        using var onInterrupt = run.Interrupted.Register(() => late.CancelAfter(run.Environment.ClosingTime));
        var wait = _follower.WaitOf(run);
        var answers = await Task.WhenAll(ids.Distinct().Select(id => TryAsync(run, id, body, wait, late.Token)).ToList());
        var code = await _follower.FollowAsync(
            run, [.. answers.Where(a => a.Accepted is not null).Select(a => a.Accepted!.Value)], isList: ids.Count > 1, _afterwards);
        // One failure among several is said and counted, and the others are carried out.
        foreach (var failure in answers.Select(a => a.Failure).OfType<Exception>().DistinctBy(f => f.Message))
            code = Math.Max(code, await run.SayAsync(failure));
        return code;
    }

    private async Task<(JsonElement? Accepted, Exception? Failure)> TryAsync(Run run, string id, JsonObject? body, int wait, CancellationToken late)
    {
        try
        {
            return (await run.AskAsync(c => c.SubmitAsync(Operation, id, body, wait, late)), null);
        }
        catch (Exception e) when (e is RestFaultException or NotReachableException)
        {
            return (null, e);
        }
        catch (OperationCanceledException e) when (run.Interrupted.IsCancellationRequested)
        {
            return (null, new OperationCanceledException($"The center has not answered yet; 'alveare task list' shows whether it began {Operation}.", e));
        }
    }
}
