using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Output;

/// <summary>A record for people: the ids of other objects in it have their names before them.</summary>
internal static partial class NamedIds
{
    /// <param name="nameOf">The name of the object with an id, or null where there is none (any more).</param>
    public static async Task<JsonElement> ShowAsync(JsonElement record, Func<string, Task<string?>> nameOf)
    {
        var ids = IdsIn(record).Distinct().ToArray();
        var names = await Task.WhenAll(ids.Select(nameOf));
        var known = ids.Zip(names).Where(n => n.Second is not null).ToDictionary(n => n.First, n => n.Second!);
        return known.Count == 0 ? record : JsonSerializer.SerializeToElement((JsonObject)Named(record, known)!, RestJson.Default.JsonObject);
    }

    // Its own is among those of the object that a record is of.
    private static IEnumerable<string> IdsIn(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().Where(m => m.Name != "id").SelectMany(m => IdsIn(m.Value)),
        JsonValueKind.Array => value.EnumerateArray().SelectMany(IdsIn),
        JsonValueKind.String when ObjectId().IsMatch(value.GetString()!) => [value.GetString()!],
        _ => [],
    };

    private static JsonNode? Named(JsonElement value, Dictionary<string, string> names) => value.ValueKind switch
    {
        JsonValueKind.Object => new JsonObject(value.EnumerateObject().Select(m => KeyValuePair.Create(m.Name, m.Name == "id" ? Plain(m.Value) : Named(m.Value, names)))),
        JsonValueKind.Array => new JsonArray([.. value.EnumerateArray().Select(i => Named(i, names))]),
        JsonValueKind.String when names.TryGetValue(value.GetString()!, out var name) => JsonValue.Create($"{name} ({value.GetString()})"),
        _ => Plain(value),
    };

    private static JsonValue? Plain(JsonElement value) => value.ValueKind == JsonValueKind.Null ? null : JsonValue.Create(value);

    [GeneratedRegex("^(dc|folder|cluster|host|vm|ds|pg|pool)-[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$", RegexOptions.CultureInvariant)]
    private static partial Regex ObjectId();
}
