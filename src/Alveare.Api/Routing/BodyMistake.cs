using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Alveare.Model.Faults;

namespace Alveare.Api.Routing;

/// <summary>Says what is wrong with a body that could not be read: where, what was given, what was expected.</summary>
internal static class BodyMistake
{
    private const int Shown = 60;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static InvalidArgument Find(byte[] body, JsonTypeInfo type, JsonException error) => Look(body, () => FindInText(body, type, error))!;

    /// <summary>A null in a list: the serializer lets it pass, and no list of any body may hold one.</summary>
    public static InvalidArgument? FindNullElement(byte[] body) => Look(body, () => FindNullInText(body));

    // The parser lets texts pass that are none, and throws when they are looked at.
    private static InvalidArgument? Look(byte[] body, Func<InvalidArgument?> find)
    {
        try
        {
            Strict.GetCharCount(body);
            return find();
        }
        catch (DecoderFallbackException e)
        {
            return RequestBody.Wrong("its text", string.Create(CultureInfo.InvariantCulture, $"not UTF-8 at byte {e.Index + 1}"), "UTF-8");
        }
        catch (InvalidOperationException)
        {
            return RequestBody.Wrong("a member's name", "broken: it holds half a character", "valid Unicode");
        }
    }

    private static InvalidArgument FindInText(byte[] body, JsonTypeInfo type, JsonException error)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = StrictJson.Options.MaxDepth });
        }
        catch (JsonException e)
        {
            return RequestBody.Wrong($"its JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}", "broken", "well-formed JSON");
        }

        using (document)
        {
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                return RequestBody.Wrong("its JSON", $"of type {NameOf(root.ValueKind)}", "an object");
            return AmongMembers(root, type) ?? AtPlace(root, type, error);
        }
    }

    private static InvalidArgument? FindNullInText(byte[] body)
    {
        using var document = JsonDocument.Parse(body, new JsonDocumentOptions { MaxDepth = StrictJson.Options.MaxDepth });
        return PlaceOfNull(document.RootElement, "$") is { } place ? RequestBody.Wrong($"the value at {place}", "null", "a value, or no element at all") : null;
    }

    private static string? PlaceOfNull(JsonElement element, string place) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().Select(m => PlaceOfNull(m.Value, $"{place}.{m.Name}")).FirstOrDefault(p => p is not null),
        JsonValueKind.Array => element.EnumerateArray()
            .Select((e, n) => e.ValueKind == JsonValueKind.Null ? $"{place}[{n}]" : PlaceOfNull(e, $"{place}[{n}]"))
            .FirstOrDefault(p => p is not null),
        _ => null,
    };

    private static InvalidArgument? AmongMembers(JsonElement root, JsonTypeInfo type)
    {
        var known = type.Properties.Select(p => p.Name).ToList();
        var seen = new HashSet<string>();
        foreach (var member in root.EnumerateObject())
        {
            if (!known.Contains(member.Name))
                return RequestBody.Wrong($"the member '{Cut(member.Name)}'", "unknown", known.Count == 0 ? "no member at all" : $"only {string.Join(", ", known)}");
            if (!seen.Add(member.Name))
                return RequestBody.Wrong($"the member '{member.Name}'", "given twice", "each member once");
        }

        return type.Properties.FirstOrDefault(p => p.IsRequired && !seen.Contains(p.Name)) is { } missing
            ? RequestBody.Wrong($"the member '{missing.Name}'", "missing", BodySchemas.Words(missing.PropertyType))
            : null;
    }

    // error.Path is such as $.customization.sshKeys[2]; a member that the contract does not know ends the walk at the object that holds it.
    private static InvalidArgument AtPlace(JsonElement root, JsonTypeInfo type, JsonException error)
    {
        var (element, at, place) = (root, (JsonTypeInfo?)type, "$");
        foreach (var step in (error.Path ?? "$").TrimStart('$').Split(['.', '[', ']'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (element.ValueKind == JsonValueKind.Object && element.TryGetProperty(step, out var member)
                && at?.Properties.FirstOrDefault(p => p.Name == step) is { } property)
            {
                (element, at, place) = (member, StrictJson.Options.GetTypeInfo(property.PropertyType), $"{place}.{step}");
            }
            else if (element.ValueKind == JsonValueKind.Array && int.TryParse(step, out var n) && n < element.GetArrayLength())
            {
                (element, at, place) = (element[n], at?.ElementType is { } item ? StrictJson.Options.GetTypeInfo(item) : null, $"{place}[{n}]");
            }
            else
            {
                break;
            }
        }

        var inner = element.ValueKind == JsonValueKind.Object && at is { Kind: JsonTypeInfoKind.Object } ? AmongMembers(element, at) : null;
        return inner is not null
            ? inner with { Argument = $"{inner.Argument} at {place}" }
            : RequestBody.Wrong($"the value at {place}", Cut(element.GetRawText()), at is null ? "another type" : BodySchemas.Words(at.Type));
    }

    private static string Cut(string text) => text.Length <= Shown ? text : text[..Shown] + "...";

    private static string NameOf(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.Number => "number",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };
}
