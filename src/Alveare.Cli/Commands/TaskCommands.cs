using System.CommandLine;
using System.Text.Json;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary><c>task …</c></summary>
internal static class TaskCommands
{
    public static Command Group(CliCommands commands) =>
        CliCommands.Group("task", "Tasks: operations that run or have ended", [List(commands), Show(commands), Wait(commands), Cancel(commands)]);

    private static Command List(CliCommands commands)
    {
        var active = Takes.Flag("--active", "Only tasks that have not ended");
        var state = Takes.Choice("--state", "Only tasks in this state", "queued", "running", "succeeded", "failed", "cancelled");
        var limit = Takes.Number("--limit", "How many to list at most; 20 by default");
        return commands.New("list", "List tasks, newest first", [active, state, limit], async run =>
        {
            var path = $"tasks?limit={run.Value(limit) ?? 20}{(run.Value(active) ? "&active=true" : "")}{(run.Value(state) is { } s ? $"&state={s}" : "")}";
            run.WriteList<TaskDto>(
                (await run.AskAsync(c => c.ListAsync(path, run.Interrupted))).Items,
                new("ID", t => t.Id),
                new("OPERATION", t => t.Operation),
                new("OBJECT", t => t.TargetName),
                new("USER", t => t.User),
                new("STATE", t => t.State),
                new("DONE", t => t.Percent is { } p ? $"{p:0} %" : null, IsNumber: true),
                new("BEGAN", t => Amounts.Time(t.StartedAt ?? t.QueuedAt)),
                new("TOOK", t => t.EndedAt is { } end ? Amounts.Duration(end - (t.StartedAt ?? t.QueuedAt)) : null, IsNumber: true),
                new("DETAIL", t => t.Fault?.Message ?? (t.HasEnded ? null : TaskText.Progress(t))));
            return ExitCode.Done;
        });
    }

    private static Command Show(CliCommands commands)
    {
        var id = Takes.Name("TASK", "Id of the task, such as task-42");
        return commands.New("show", "Show all that is known of a task", [id], async run =>
        {
            run.WriteRecord(await run.AskAsync(c => c.GetAsync<JsonElement>($"tasks/{Uri.EscapeDataString(run.Value(id))}", run.Interrupted)));
            return ExitCode.Done;
        });
    }

    private static Command Wait(CliCommands commands)
    {
        var ids = new Argument<string[]>("TASK") { Arity = ArgumentArity.OneOrMore, Description = "Id of each task" };
        var follower = new TaskFollower();
        return commands.New("wait", "Wait until tasks have ended", [ids, follower.CancelOnInterrupt], async run =>
        {
            var records = new List<JsonElement>();
            foreach (var id in run.Value(ids).Distinct())
                records.Add(await run.AskAsync(c => c.WaitAsync(id, 0, run.Interrupted)));
            return await follower.FollowAsync(run, records, isList: run.Value(ids).Length > 1);
        });
    }

    private static Command Cancel(CliCommands commands)
    {
        var id = Takes.Name("TASK", "Id of the task");
        return commands.New("cancel", "Ask a task to stop", [id], async run =>
        {
            var record = await run.AskAsync(c => c.CancelAsync(run.Value(id), run.Interrupted));
            if (run.IsJson)
                run.WriteRecord(record);
            else
                await run.Environment.Out.WriteLineAsync($"{run.Value(id)} was asked to stop; 'alveare task wait {run.Value(id)}' says how it ends.");
            return ExitCode.Done;
        });
    }
}
