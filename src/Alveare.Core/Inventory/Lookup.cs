using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Inventory;

/// <summary>Finds the object that a person means: by id, inventory path or name.</summary>
public static class Lookup
{
    /// <summary>The one object that <paramref name="text"/> names. A text with a '/' is a path from the root or the end of one, such as
    /// <c>web/web01</c>. Faults: <see cref="NotFound"/>, <see cref="AmbiguousName"/> with the paths of all that it can be.</summary>
    /// <param name="kind">Only objects of this kind; null for any but the root.</param>
    public static Entity Resolve(this InventorySnapshot inventory, string text, EntityKind? kind)
    {
        var what = kind is { } wanted ? OperationCatalogue.Prefix(wanted) : "object";
        // An id comes before a name; a name may look like one.
        if (EntityId.TryParse(text, out var id) && inventory.Find(id) is { } known && (kind is null || known.Id.Kind == kind))
            return known;

        var name = text[(text.LastIndexOf('/') + 1)..];
        var found = inventory.All
            .Where(e => e.Name == name && e.Id.Kind != EntityKind.Root && (kind is null || e.Id.Kind == kind) && IsAt(inventory.PathOf(e.Id), text))
            .OrderBy(e => e.Id)
            .ToList();
        return found.Count switch
        {
            1 => found[0],
            0 => throw new FaultException(new NotFound(what, text)),
            _ => throw new FaultException(new AmbiguousName(what, text, [.. found.Select(e => $"{inventory.PathOf(e.Id)} ({e.Id})").Order(StringComparer.Ordinal)])),
        };
    }

    private static bool IsAt(string path, string text) =>
        text.StartsWith('/') ? path == text : path.EndsWith("/" + text, StringComparison.Ordinal);
}
