using System.Text.Json;
using System.Text.Json.Serialization;

namespace Alveare.Wire.Rest;

/// <summary>How REST's records are written: camel case, nothing for null.</summary>
public static class RestJson
{
    public static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };
}
