using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Alveare.Wire.Rest;

/// <summary>How clients read and write REST's records: camel case, nothing for null, no reflection, so that a command starts fast.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LoginRequest))]
[JsonSerializable(typeof(SessionAnswer))]
[JsonSerializable(typeof(Health))]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(Listing<JsonElement>))]
[JsonSerializable(typeof(Located<JsonElement>))]
[JsonSerializable(typeof(OperationAnswer))]
[JsonSerializable(typeof(UserAnswer))]
[JsonSerializable(typeof(ObjectDto))]
[JsonSerializable(typeof(VmDto))]
[JsonSerializable(typeof(HostDto))]
[JsonSerializable(typeof(DatastoreDto))]
[JsonSerializable(typeof(PortGroupDto))]
[JsonSerializable(typeof(PoolDto))]
[JsonSerializable(typeof(TaskDto))]
[JsonSerializable(typeof(EventDto))]
[JsonSerializable(typeof(MachineSampleDto))]
[JsonSerializable(typeof(HostSampleDto))]
[JsonSerializable(typeof(RecommendationDto))]
[JsonSerializable(typeof(RuleAnswerDto))]
[JsonSerializable(typeof(CpuSurveyDto))]
[JsonSerializable(typeof(MaintenancePlanDto))]
[JsonSerializable(typeof(JsonObject))]
public sealed partial class RestJson : JsonSerializerContext
{
    /// <summary>The contract of one of the types above.</summary>
    public static JsonTypeInfo<T> Contract<T>() =>
        (JsonTypeInfo<T>)(Default.GetTypeInfo(typeof(T)) ?? throw new ArgumentException($"{typeof(T).Name} is no record of REST."));
}
