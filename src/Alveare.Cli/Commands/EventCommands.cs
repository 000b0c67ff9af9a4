using System.CommandLine;
using System.Text.Json;
using Alveare.Cli.Client;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary><c>event …</c></summary>
internal static class EventCommands
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    public static Command Group(CliCommands commands) => CliCommands.Group("event", "Events: what happened", [List(commands), Follow(commands)]);

    private static Command List(CliCommands commands)
    {
        var severity = Takes.Choice("--severity", "Only events of this severity", "info", "warning", "error", "audit");
        var kind = Takes.Text("--kind", "Only events of this kind or group, such as vm.died or vm", "KIND");
        var limit = Takes.Number("--limit", "How many to list at most, the newest; 50 by default");
        return commands.New("list", "List events, oldest first", [severity, kind, limit], async run =>
        {
            var path = $"events?limit={run.Value(limit) ?? 50}{(run.Value(severity) is { } s ? $"&severity={s}" : "")}"
                + (run.Value(kind) is { } k ? $"&kind={Uri.EscapeDataString(k)}" : "");
            run.WriteList<EventDto>(
                (await run.AskAsync(c => c.ListAsync(path, run.Interrupted))).Items,
                new("TIME", e => Amounts.Time(e.At)),
                new("SEVERITY", e => e.Severity),
                new("KIND", e => e.Kind),
                new("USER", e => e.User),
                new("MESSAGE", e => e.Message));
            return ExitCode.Done;
        });
    }

    private static Command Follow(CliCommands commands) =>
        commands.New("follow", "Print events as they happen, until Ctrl-C", [], async run =>
        {
            string? after = null, said = null;
            while (true)
            {
                try
                {
                    // A session that ended, or a center that was started again, begins a new stream.
                    await using var stream = await run.AskAsync(c => OpenAsync(c, after, run.Interrupted));
                    said = null;
                    do
                    {
                        after = await SayAsync(run, stream.Current);
                    }
                    while (await stream.MoveNextAsync());
                }
                catch (NotReachableException e) when (after is not null && e is not NoLoginException)
                {
                    // It was there before: a center that is started again is away for a moment.
                    if (e.Message != said)
                        await run.Environment.Error.WriteLineAsync($"alveare: {said = e.Message} Trying again until Ctrl-C.");
                }

                await Task.Delay(Pause, run.Interrupted);
            }
        });

    // The first block is read here, so that a refusal comes out where a new login can answer it.
    private static async Task<IAsyncEnumerator<ServerEvent>> OpenAsync(RestClient client, string? after, CancellationToken cancellation)
    {
        var stream = client.WatchAsync(after, "event", cancellation).GetAsyncEnumerator(cancellation);
        return await stream.MoveNextAsync() ? stream : throw new NotReachableException("The center ended the stream before it began.");
    }

    private static async Task<string> SayAsync(Run run, ServerEvent block)
    {
        if (block.Kind == "reload")
            await run.Environment.Error.WriteLineAsync("alveare: the center was started again or much has happened: some events are only in 'alveare event list'.");
        if (block.Kind == "event" && run.IsJson)
            await run.Environment.Out.WriteLineAsync(JsonSerializer.Serialize(block.Data, RestJson.Default.JsonElement));
        else if (block.Kind == "event" && RestClient.As<EventDto>(block.Data) is var e)
            await run.Environment.Out.WriteLineAsync($"{Amounts.Time(e.At)}  {e.Severity,-7}  {e.Kind}  {e.User ?? "-"}  {string.Concat(e.Message.Select(c => char.IsControl(c) ? ' ' : c))}");
        await run.Environment.Out.FlushAsync(run.Interrupted);
        return block.Id;
    }
}
