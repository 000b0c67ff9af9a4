using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Alveare.Model;
using Alveare.Model.Operations;

namespace Alveare.Api.Routing;

/// <summary>How request bodies are read: as the model's JSON, but a member that nobody knows, a null where a value is needed, a key twice or
/// a number in quotes is refused, since it is a caller's mistake.</summary>
public static class StrictJson
{
    public static readonly JsonSerializerOptions Options = Create();

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions(ModelJson.Options)
        {
            PropertyNameCaseInsensitive = false,
            NumberHandling = JsonNumberHandling.Strict,
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
            RespectNullableAnnotations = true,
            RespectRequiredConstructorParameters = true,
            AllowDuplicateProperties = false,
            MaxDepth = 16,
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LeaveOutTarget } },
        };
        options.Converters.Clear();
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false));
        options.MakeReadOnly();
        return options;
    }

    // The route says what an operation is done to, so the body must not.
    private static void LeaveOutTarget(JsonTypeInfo type)
    {
        if (!type.Type.IsSubclassOf(typeof(Operation)))
            return;
        for (var n = type.Properties.Count - 1; n >= 0; n--)
        {
            if (type.Properties[n].Name == "target")
                type.Properties.RemoveAt(n);
        }
    }
}
