using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Inventory;

namespace Alveare.Api.Documents;

/// <summary>The named schemas of the document: each record once, referred to by name.</summary>
internal sealed class SchemaComponents
{
    private readonly SortedDictionary<string, JsonNode?> _schemas = new(StringComparer.Ordinal);

    public JsonObject All => new(_schemas.Select(s => KeyValuePair.Create(s.Key, s.Value?.DeepClone())));

    /// <summary>A reference to the schema of what the server writes.</summary>
    public JsonNode Written(Type type) => Reference(type, ModelJson.Options, NameOf(type));

    /// <summary>A reference to the schema of what the server reads, which is stricter.</summary>
    public JsonNode Read(Type type) => Reference(type, StrictJson.Options, NameOf(type));

    private JsonNode Reference(Type type, JsonSerializerOptions options, string name)
    {
        if (type == typeof(object))
            return new JsonObject { ["type"] = "object" };
        if (!_schemas.ContainsKey(name))
        {
            // Before its own content is looked at: a record may hold itself.
            _schemas[name] = null;
            var schema = BodySchemas.Of(type, options, inner => IsNamed(inner, options) && inner != type ? Reference(inner, options, NameOf(inner)) : null);
            _schemas[name] = type.IsSubclassOf(typeof(Entity)) ? WithKind(schema.AsObject(), type) : schema;
        }

        return new JsonObject { ["$ref"] = $"#/components/schemas/{name}" };
    }

    // Records of ours; what is polymorphic is written out where it is used, with its discriminator.
    private static bool IsNamed(Type type, JsonSerializerOptions options) =>
        type.Namespace?.StartsWith("Alveare.", StringComparison.Ordinal) == true
        && type is { IsClass: true }
        && options.GetTypeInfo(type) is { Kind: JsonTypeInfoKind.Object, PolymorphismOptions: null };

    private static JsonObject WithKind(JsonObject schema, Type type)
    {
        var kind = typeof(Entity).GetCustomAttributes(typeof(JsonDerivedTypeAttribute), false)
            .Cast<JsonDerivedTypeAttribute>().First(a => a.DerivedType == type).TypeDiscriminator;
        schema["properties"]!.AsObject().Insert(0, "kind", new JsonObject { ["const"] = (string)kind! });
        return schema;
    }

    private static string NameOf(Type type) =>
        type.IsGenericType ? type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)] + string.Concat(type.GetGenericArguments().Select(NameOf)) : type.Name;
}
