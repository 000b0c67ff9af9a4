using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Inventory;

/// <summary>Finds the object that a person means: by id, inventory path or name.</summary>
public static class Lookup
{
    private const string Template = "template";

    /// <summary>What can be looked for: each kind of object, and of the machines the templates alone.</summary>
    public static ImmutableArray<string> Words { get; } = [.. Enum.GetValues<EntityKind>().Select(OperationCatalogue.Prefix), Template];

    /// <summary>The one object that <paramref name="text"/> names. A text with a '/' is a path from the root or the end of one, such as
    /// <c>web/web01</c>. Faults: <see cref="NotFound"/> with what may have been meant, <see cref="AmbiguousName"/> with the paths of all that it can be.</summary>
    /// <param name="words">Only what one of these <see cref="Words"/> means; none for any but the root.</param>
    public static Entity Resolve(this InventorySnapshot inventory, string text, params IReadOnlyList<string> words)
    {
        // An id comes before a name; a name may look like one.
        if (EntityId.TryParse(text, out var id) && inventory.Find(id) is { } known && (words.Count == 0 || IsMeant(known)))
            return known;

        var what = words.Count == 0 ? "object" : Alternatives.Of(words);
        var name = text[(text.LastIndexOf('/') + 1)..];
        var candidates = inventory.All.Where(e => words.Count == 0 ? e.Id.Kind != EntityKind.Root : IsMeant(e));
        var found = candidates.Where(e => e.Name == name && IsAt(inventory.PathOf(e.Id), text)).OrderBy(e => e.Id).ToList();
        return found.Count switch
        {
            1 => found[0],
            0 => throw new FaultException(NotFound.Among(candidates.Select(e => Named(inventory, e, text)), what, text)),
            _ => throw new FaultException(new AmbiguousName(what, text, [.. found.Select(e => $"{inventory.PathOf(e.Id)} ({e.Id})").Order(StringComparer.Ordinal)])),
        };

        bool IsMeant(Entity entity) =>
            words.Contains(OperationCatalogue.Prefix(entity.Id.Kind)) || (entity is VirtualMachine { IsTemplate: true } && words.Contains(Template));
    }

    // As far as the text names it: by as much of its path.
    private static string Named(InventorySnapshot inventory, Entity entity, string text) => text.Count(c => c == '/') switch
    {
        0 => entity.Name,
        _ when text.StartsWith('/') => inventory.PathOf(entity.Id),
        var above => string.Join('/', inventory.PathOf(entity.Id)[1..].Split('/').TakeLast(above + 1)),
    };

    private static bool IsAt(string path, string text) =>
        text.StartsWith('/') ? path == text : path.EndsWith("/" + text, StringComparison.Ordinal);
}
