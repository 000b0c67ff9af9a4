using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using Alveare.Model;

namespace Alveare.Api.Routing;

/// <summary>JSON schemas of the records that are spoken here, from the same contracts that read and write them.</summary>
public static class BodySchemas
{
    /// <summary>The schema of a type with everything inside it written out.</summary>
    /// <param name="options">The contracts: <see cref="StrictJson"/> for what is read, <see cref="ModelJson"/> for what is written.</param>
    /// <param name="replace">Given each inner type; a schema to put in its place, or null.</param>
    public static JsonNode Of(Type type, JsonSerializerOptions options, Func<Type, JsonNode?>? replace = null) =>
        options.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions
        {
            TreatNullObliviousAsNonNullable = true,
            TransformSchemaNode = (context, schema) => Special(context.TypeInfo.Type) ?? (context.Path.Length > 0 ? replace?.Invoke(context.TypeInfo.Type) : null) ?? schema,
        });

    /// <summary>What a value must be, in words.</summary>
    public static string Words(Type type)
    {
        var bare = Nullable.GetUnderlyingType(type) ?? type;
        if (bare == typeof(EntityId))
            return "an object id, such as 'vm-' and 32 hexadecimal digits";
        if (bare == typeof(Bytes))
            return "a whole number of bytes";
        if (bare == typeof(Megahertz))
            return "a whole number of megahertz";
        if (bare == typeof(TimeSpan))
            return "a duration in the form 'hh:mm:ss'";
        if (bare.IsEnum)
            return $"one of {string.Join(", ", Enum.GetNames(bare).Select(JsonNamingPolicy.KebabCaseLower.ConvertName))}";
        if (bare == typeof(bool))
            return "true or false";
        if (bare == typeof(int) || bare == typeof(long))
            return $"a whole number{(bare == typeof(int) ? " of 32 bits" : "")}";
        if (bare == typeof(string))
            return "a string";
        return StrictJson.Options.GetTypeInfo(bare).ElementType is { } item ? $"an array, each item {Words(item)}" : "an object";
    }

    private static JsonObject? Special(Type type)
    {
        var bare = Nullable.GetUnderlyingType(type);
        var schema = Plain(bare ?? type);
        if (schema is not null && bare is not null)
            schema["type"] = new JsonArray((string)schema["type"]!, "null");
        return schema;
    }

    private static JsonObject? Plain(Type type)
    {
        if (type == typeof(EntityId))
            return new JsonObject { ["type"] = "string", ["pattern"] = EntityId.Pattern, ["description"] = "An object id." };
        if (type == typeof(Bytes))
            return new JsonObject { ["type"] = "integer", ["format"] = "int64", ["description"] = "Bytes." };
        if (type == typeof(Megahertz))
            return new JsonObject { ["type"] = "integer", ["format"] = "int64", ["description"] = "Megahertz." };
        return type == typeof(TimeSpan) ? new JsonObject { ["type"] = "string", ["description"] = "A duration as [days.]hh:mm:ss[.fraction]." } : null;
    }
}
