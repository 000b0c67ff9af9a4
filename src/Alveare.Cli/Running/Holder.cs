using System.CommandLine;
using System.Text.Json;

namespace Alveare.Cli.Running;

/// <summary>The datacenter or cluster that a command works in, where it need not be named.</summary>
internal static class Holder
{
    /// <summary>The id of the object named by an option; else of the one that holds what another option names; else of the only one there is.</summary>
    /// <param name="kind"><c>datacenter</c> or <c>cluster</c>; other kinds hold nothing.</param>
    /// <param name="inside">Options that name objects in it, with their kinds, or null for any.</param>
    public static async Task<string> NamedOrOnlyAsync(this Run run, string kind, Option<string?> option, params (string? Kind, Option<string?> Option)[] inside)
    {
        if (run.Value(option) is { } name)
            return await run.IdOfAsync(kind, name);
        foreach (var (insideKind, insideOption) in inside)
        {
            if (run.Value(insideOption) is { } inner)
                return await run.IdOfAsync(kind, PathOf(kind, (await run.AskAsync(c => c.LookUpAsync(insideKind, inner, run.Interrupted))).Path));
        }

        var all = await run.AskAsync(c => c.ListAsync($"{kind}s", run.Interrupted));
        return all.Items switch
        {
            [var only] => only.GetProperty("id").GetString()!,
            [] => throw new UsageException($"There is no {kind} yet; 'alveare {kind} create' makes one."),
            var several => throw new UsageException($"Which {kind}? Give {option.Name}; there are {Names(several)}."),
        };
    }

    // Datacenters are at the top, and clusters right in them.
    private static string PathOf(string kind, string path) => string.Join('/', path.Split('/').Take(kind == "cluster" ? 3 : 2));

    private static string Names(IReadOnlyList<JsonElement> objects) => string.Join(", ", objects.Select(o => o.GetProperty("name").GetString()));
}
