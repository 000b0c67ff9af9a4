using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Client;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary>How clusters balance themselves: <c>cluster set-balancing</c>, <c>balance</c>, <c>recommendations</c>, <c>apply-recommendations</c> and
/// <c>export-snapshot</c>.</summary>
internal static class BalanceCommands
{
    private const string Off = "off";
    private const string Default = "default";

    private static readonly string[] Modes = ["manual", "partial", "full"];

    public static IEnumerable<Command> All(CliCommands commands) =>
    [
        Set(commands),
        OperationCommand.OnMany(commands, "cluster.balance", "Plan a cluster's balance now, instead of in its next turn", [], _ => Task.FromResult<JsonObject?>(null)),
        Recommendations(commands),
        Apply(commands),
        Export(commands),
    ];

    private static OperationCommand Set(CliCommands commands)
    {
        var cluster = Takes.Existing(commands, "cluster");
        var mode = Takes.Choice("--mode", "What it does by itself", Modes);
        var level = Takes.Number("--level", "How eager: 1 mends rules only, 5 takes every small gain");
        var interval = Takes.Number("--interval", "Seconds between two rounds, 5 to 86400");
        var own = Takes.Texts("--vm", "A machine with a mode of its own: manual, partial, full, off or default (the cluster's)", "VM=MODE");
        return OperationCommand.On(
            commands, "cluster.set-balancing", "set-balancing", "Change how a cluster balances itself", [cluster, mode, level, interval, own],
            run => run.IdOfAsync("cluster", run.Value(cluster)),
            async (run, _) =>
            {
                var (overrides, without) = await OwnModesAsync(run, run.Value(own)!);
                return Takes.Body(
                    ("mode", run.Value(mode)),
                    ("level", run.Value(level)),
                    ("interval", Takes.Seconds(run.Value(interval))),
                    ("overrides", overrides.Count > 0 ? overrides : null),
                    ("withoutOverride", without.OrNull()));
            }).Changing();
    }

    private static async Task<(JsonArray Overrides, string[] Without)> OwnModesAsync(Run run, string[] given)
    {
        var (overrides, without) = (new JsonArray(), new List<string>());
        foreach (var text in given)
        {
            // A machine's name may hold a '='.
            var at = text.LastIndexOf('=');
            var mode = at < 0 ? "" : text[(at + 1)..];
            if (at < 1 || !(Modes.Contains(mode) || mode is Off or Default))
                throw new UsageException($"--vm is '{text}', expected VM=MODE with {string.Join(", ", Modes)}, {Off} or {Default}.");
            var id = await run.IdOfAsync("vm", text[..at]);
            if (mode == Default)
                without.Add(id);
            else
                overrides.Add(new JsonObject { ["vm"] = id, ["mode"] = mode == Off ? null : mode });
        }

        return (overrides, [.. without]);
    }

    private static Command Recommendations(CliCommands commands)
    {
        var cluster = Takes.Existing(commands, "cluster");
        return commands.New("recommendations", "List what the cluster would do by itself: moves, in the order in which they are to be made, and hosts to put to standby or to wake", [cluster], async run =>
        {
            var id = await run.IdOfAsync("cluster", run.Value(cluster));
            run.WriteList<RecommendationDto>(
                (await run.AskAsync(c => c.ListAsync($"clusters/{id}/recommendations", run.Interrupted))).Items,
                new("ID", r => r.Id),
                new("KIND", r => r.Kind),
                new("VM", r => r.VmName),
                new("FROM", r => r.FromName),
                new("TO", r => r.ToName),
                new("SINCE", r => Amounts.Time(r.MadeAt)),
                new("REASON", r => r.Reason));
            return ExitCode.Done;
        });
    }

    private static OperationCommand Apply(CliCommands commands)
    {
        var cluster = Takes.Existing(commands, "cluster");
        var ids = new Argument<string[]>("RECOMMENDATION") { Arity = ArgumentArity.ZeroOrMore, Description = "Ids of those to apply; all by default", HelpName = "RECOMMENDATION" };
        return OperationCommand.On(
            commands, "cluster.apply-recommendations", "apply-recommendations", "Do what balancing and power saving recommend", [cluster, ids],
            run => run.IdOfAsync("cluster", run.Value(cluster)),
            (run, _) => Task.FromResult<JsonObject?>(Takes.Body(("recommendations", run.Value(ids).OrNull()))));
    }

    private static Command Export(CliCommands commands)
    {
        var cluster = Takes.Existing(commands, "cluster");
        var file = new Argument<string?>("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "File to write; standard output by default", HelpName = "FILE" };
        return commands.New("export-snapshot", "Write a cluster as it is now to a file that 'alveare plan' reads", [cluster, file], async run =>
        {
            var id = await run.IdOfAsync("cluster", run.Value(cluster));
            await using var snapshot = await run.AskAsync(c => c.OpenAsync($"clusters/{id}/snapshot", run.Interrupted));
            if (run.Value(file) is { } path)
                await WriteAsync(snapshot, path, run.Interrupted);
            else
                await RestClient.CopyAsync(snapshot, run.Environment.Out, run.Interrupted);
            return ExitCode.Done;
        });
    }

    private static async Task WriteAsync(Stream snapshot, string path, CancellationToken cancellation)
    {
        // Read first: where the connection drops, a file that was there stays as it was.
        await using var text = new StringWriter();
        await RestClient.CopyAsync(snapshot, text, cancellation);
        try
        {
            await File.WriteAllTextAsync(path, text.ToString(), cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UsageException($"The snapshot cannot be written to '{path}': {e.Message}");
        }
    }
}
