using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Alveare.Api.Problems;
using Alveare.Api.Routing;
using Alveare.Wire.Rest;

namespace Alveare.Api.Documents;

/// <summary>The OpenAPI 3.1 document, made from the routes that are served and the contracts that read and write their records.</summary>
public static partial class OpenApiDocument
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Write(IReadOnlyList<ApiRoute> routes, string version)
    {
        var components = new SchemaComponents();
        var paths = new JsonObject();
        foreach (var route in routes)
        {
            var path = $"/api/{route.Pattern}";
            if (paths[path] is not JsonObject item)
                paths[path] = item = [];
            item[route.Method.ToLowerInvariant()] = Operation(route, components);
        }

        var problem = components.Written(typeof(Problem));
        var document = new JsonObject
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "Alveare",
                ["version"] = version,
                ["description"] = "The REST API of an Alveare center. Operations answer 202 with a task; errors are problem documents (RFC 9457).",
                ["license"] = new JsonObject { ["name"] = "Apache-2.0", ["identifier"] = "Apache-2.0" },
            },
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["schemas"] = components.All,
                ["responses"] = new JsonObject
                {
                    ["Problem"] = new JsonObject
                    {
                        ["description"] = $"What is wrong. Status codes of faults: {string.Join(", ", FaultTable.AllStatuses)}.",
                        ["content"] = Content(HttpProblem.MediaType, problem),
                    },
                },
                ["securitySchemes"] = new JsonObject { ["session"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" } },
            },
            ["security"] = new JsonArray(new JsonObject { ["session"] = new JsonArray() }),
        };
        return JsonSerializer.SerializeToUtf8Bytes(document, Indented);
    }

    private static JsonObject Operation(ApiRoute route, SchemaComponents components)
    {
        var operation = new JsonObject
        {
            ["operationId"] = route.Id,
            ["tags"] = new JsonArray(route.Tag),
            ["summary"] = route.Summary,
            ["parameters"] = new JsonArray([.. PathParameters(route), .. route.Query.Select(QueryParameter)]),
            ["responses"] = Responses(route, components),
        };
        if (route.Body is { } body)
            operation["requestBody"] = new JsonObject { ["required"] = true, ["content"] = Content("application/json", components.Read(body)) };
        if (route.IsOpen)
            operation["security"] = new JsonArray();
        return operation;
    }

    private static IEnumerable<JsonNode> PathParameters(ApiRoute route) => PlaceHolder().Matches(route.Pattern).Select(match => new JsonObject
    {
        ["name"] = match.Groups[1].Value,
        ["in"] = "path",
        ["required"] = true,
        ["schema"] = new JsonObject { ["type"] = "string" },
    });

    private static JsonNode QueryParameter(QueryParameter parameter) => new JsonObject
    {
        ["name"] = parameter.Name,
        ["in"] = "query",
        ["description"] = parameter.Description,
        ["schema"] = new JsonObject { ["type"] = parameter.Schema },
    };

    private static JsonObject Responses(ApiRoute route, SchemaComponents components)
    {
        var responses = new JsonObject
        {
            [$"{route.Status}"] = Response(route, components, route.Status == 202 ? "Accepted: the task runs or is queued." : "Done."),
        };
        if (route.Status == 202)
            responses["200"] = Response(route, components, "The task ended within the wait.");
        responses["default"] = new JsonObject { ["$ref"] = "#/components/responses/Problem" };
        return responses;
    }

    private static JsonObject Response(ApiRoute route, SchemaComponents components, string description)
    {
        var response = new JsonObject { ["description"] = description };
        if (route.Answer is { } answer)
            response["content"] = Content(route.MediaType, components.Written(answer));
        else if (route.MediaType != "application/json")
            response["content"] = Content(route.MediaType, new JsonObject { ["type"] = "string" });
        return response;
    }

    private static JsonObject Content(string mediaType, JsonNode schema) => new() { [mediaType] = new JsonObject { ["schema"] = schema } };

    [GeneratedRegex(@"\{(\w+)\}")]
    private static partial Regex PlaceHolder();
}
