using System.CommandLine;
using System.Text.Json;
using Alveare.Cli.Client;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Model.Faults;

namespace Alveare.Cli.Commands;

/// <summary>What is the same for every kind of object: list, show, statistics, rename, move, remove.</summary>
internal static class Generic
{
    public static Command List<T>(CliCommands commands, string kind, params Column<T>[] columns) =>
        commands.New("list", $"List {kind}s", [], async run =>
        {
            run.WriteList((await run.AskAsync(c => c.ListAsync($"{kind}s", run.Interrupted))).Items, columns);
            return ExitCode.Done;
        });

    /// <param name="complete">Adds to the record what is kept elsewhere.</param>
    public static Command Show(CliCommands commands, string kind, Func<Run, JsonElement, Task<JsonElement>>? complete = null)
    {
        var name = Takes.Existing(commands, kind);
        return commands.New("show", $"Show all that is known of a {kind}", [name], async run =>
        {
            var found = await run.AskAsync(c => c.LookUpAsync(kind, run.Value(name), run.Interrupted));
            var record = complete is null ? found.Object : await complete(run, found.Object);
            if (!run.IsJson)
            {
                await run.Environment.Out.WriteLineAsync($"path: {found.Path}");
                record = await NamedAsync(run, record);
            }

            run.WriteRecord(record);
            return ExitCode.Done;
        });
    }

    /// <summary>A record for people, with the names of the objects in it.</summary>
    public static Task<JsonElement> NamedAsync(Run run, JsonElement record) => NamedIds.ShowAsync(record, id => NameOfAsync(run, id));

    private static async Task<string?> NameOfAsync(Run run, string id)
    {
        try
        {
            return (await run.AskAsync(c => c.LookUpAsync(null, id, run.Interrupted))).Object.GetProperty("name").GetString();
        }
        catch (RestFaultException e) when (e.Problem.Code == "NotFound")
        {
            return null;
        }
    }

    public static Command Statistics<T>(CliCommands commands, string kind, params Column<T>[] columns)
    {
        var name = Takes.Existing(commands, kind);
        var last = Takes.Number("--last", "How many of the last hour's samples (one per 20 s) to show; 10 by default, 180 are all");
        return commands.New("stats", $"Show a {kind}'s statistics of the last hour", [name, last], async run =>
        {
            if (run.Value(last) is < 1)
                throw new UsageException($"{last.Name} is '{run.Value(last)}', expected 1 or more.");
            var id = await run.IdOfAsync(kind, run.Value(name));
            var samples = (await run.AskAsync(c => c.ListAsync($"{kind}s/{id}/statistics", run.Interrupted))).Items;
            run.WriteList([.. samples.TakeLast(run.Value(last) ?? 10)], columns);
            return ExitCode.Done;
        });
    }

    public static Command Rename(CliCommands commands, string kind)
    {
        var name = Takes.Existing(commands, kind);
        var fresh = NewName();
        return OperationCommand.On(
            commands, "site.rename", "rename", $"Rename a {kind}", [name, fresh],
            _ => Task.FromResult(""),
            async (run, _) => Takes.Body(("object", await run.IdOfAsync(kind, run.Value(name))), ("name", run.Value(fresh))));
    }

    /// <summary>What something is to be called.</summary>
    public static Argument<string> NewName() => Takes.Name("NAME", "The new name");

    /// <param name="places">Kinds that it can be moved into, with a comma between them.</param>
    public static Command Move(CliCommands commands, string kind, string places)
    {
        var name = Takes.Existing(commands, kind);
        var into = Takes.Existing(commands, places, "INTO");
        return OperationCommand.On(
            commands, "site.move", "move", $"Move a {kind} into a {Alternatives.Of(places.Split(','))}", [name, into],
            _ => Task.FromResult(""),
            async (run, _) => Takes.Body(
                ("object", await run.IdOfAsync(kind, run.Value(name))),
                ("into", await run.IdOfAsync(places, run.Value(into)))));
    }

    /// <summary>Removes an empty container.</summary>
    public static Command RemoveContainer(CliCommands commands, string kind)
    {
        var name = Takes.Existing(commands, kind);
        return OperationCommand.On(
            commands, "site.remove", "remove", $"Remove an empty {kind}", [name],
            _ => Task.FromResult(""),
            async (run, _) => Takes.Body(("object", await run.IdOfAsync(kind, run.Value(name)))));
    }

    /// <summary>Names of all objects of a kind by their ids.</summary>
    public static async Task<Dictionary<string, string>> NamesAsync(Run run, string kind) =>
        (await run.AskAsync(c => c.ListAsync($"{kind}s", run.Interrupted))).Items
            .ToDictionary(o => o.GetProperty("id").GetString()!, o => o.GetProperty("name").GetString()!);
}
