using System.CommandLine;
using System.Text.Json;
using Alveare.Model.Faults;

namespace Alveare.Cli.Running;

/// <summary>The datacenter or cluster that a command works in, where it need not be named.</summary>
internal static class Holder
{
    /// <summary>Kinds beside those of a lookup: what a cluster has by a name of its own.</summary>
    public const string Rule = "rule", Group = "group";

    private const string Cluster = "cluster";

    /// <summary>The id of the object named by an option; else of the one that holds all that the command names; else of the only one there is.</summary>
    /// <param name="kind"><c>datacenter</c> or <c>cluster</c>; other kinds hold nothing.</param>
    /// <param name="inside">What the command names in it, each with its kind; what is not given is null. Such as is in none says nothing.</param>
    public static async Task<string> NamedOrOnlyAsync(this Run run, string kind, Option<string?> option, params IEnumerable<(string Kind, string? Name)> inside)
    {
        if (run.Value(option) is { } name)
            return await run.IdOfAsync(kind, name);
        var all = await run.AskAsync(c => c.ListAsync($"{kind}s", run.Interrupted));
        if (all.Items is [var only])
            return Text(only, "id");
        var clues = new List<(string Name, string[] Holders)>();
        foreach (var (insideKind, insideName) in inside)
        {
            if (insideName is not null && await HoldersAsync(run, kind, all.Items, insideKind, insideName) is { Length: > 0 } holders)
                clues.Add((insideName, holders));
        }

        if (clues.Count > 0 && clues.Select(c => c.Holders.AsEnumerable()).Aggregate((some, more) => some.Intersect(more)).ToArray() is [var one])
            return one;
        throw new UsageException(all.Items.Count == 0
            ? $"There is no {kind} yet; 'alveare {kind} create' makes one."
            : clues.Count == 0
                ? $"Which {kind}? Give {option.Name}; there are {string.Join(", ", all.Items.Select(o => Text(o, "name")))}."
                : $"Which {kind}? Give {option.Name}; {string.Join(", ", clues.DistinctBy(c => c.Name).Select(c => $"'{c.Name}' is in {string.Join(" and ", c.Holders.Select(h => NameOf(all.Items, h)))}"))}.");
    }

    /// <summary>The ids of what may hold an object of this name.</summary>
    private static async Task<string[]> HoldersAsync(Run run, string kind, IReadOnlyList<JsonElement> all, string insideKind, string name)
    {
        string[] lists = insideKind switch { Rule => ["rules"], Group => ["vmGroups", "hostGroups"], _ => [] };
        if (lists.Length > 0)
        {
            var named = all.SelectMany(h => lists.SelectMany(l => h.GetProperty(l).EnumerateArray().Select(o => (Name: Text(o, "name"), Holder: Text(h, "id"))))).ToList();
            return named.Where(n => n.Name == name).Select(n => n.Holder).Distinct().ToArray() is { Length: > 0 } known
                ? known
                : throw new FaultException(NotFound.Among(named.Select(n => n.Name), insideKind, name));
        }

        var found = await run.AskAsync(c => c.LookUpAsync(insideKind, name, run.Interrupted));
        if (kind == Cluster && insideKind == "vm")
        {
            // It is in a folder; its cluster is its host's.
            if (!found.Object.TryGetProperty("host", out var host) || host.GetString() is not { } id)
                return [];
            found = await run.AskAsync(c => c.LookUpAsync("host", id, run.Interrupted));
        }

        // Datacenters are at the top, and clusters right in them: what is no deeper than a cluster is in none.
        var (path, depth) = (found.Path.Split('/'), kind == Cluster ? 3 : 2);
        return path.Length > depth ? [await run.IdOfAsync(kind, string.Join('/', path.Take(depth)))] : [];
    }

    // Two clusters may have one name, in different datacenters.
    private static string NameOf(IReadOnlyList<JsonElement> all, string id)
    {
        var name = Text(all.First(o => Text(o, "id") == id), "name");
        return all.Count(o => Text(o, "name") == name) == 1 ? name : $"{name} ({id})";
    }

    private static string Text(JsonElement of, string member) => of.GetProperty(member).GetString()!;
}
