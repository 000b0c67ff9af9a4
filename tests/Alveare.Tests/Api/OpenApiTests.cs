using System.Text.Json;
using System.Text.RegularExpressions;
using Alveare.Api;
using Alveare.Api.Problems;
using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Operations;
using Xunit;

namespace Alveare.Tests.Api;

/// <summary>The served document is what the server does: every route, every operation, every fault.</summary>
public sealed partial class OpenApiTests(ApiSite site) : IClassFixture<ApiSite>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryRouteIsInTheDocumentAndEverythingInTheDocumentIsARoute()
    {
        var document = await DocumentAsync();
        Assert.Equal("3.1.0", document.GetProperty("openapi").GetString());
        var written = document.GetProperty("paths").EnumerateObject()
            .SelectMany(p => p.Value.EnumerateObject().Select(m => $"{m.Name.ToUpperInvariant()} {p.Name}"));
        Assert.Equal(RestApi.Routes.Select(r => $"{r.Method} /api/{r.Pattern}").Order(), written.Order());
    }

    [Fact]
    public async Task EveryOperationHasItsRouteWithItsPropertiesAsBody()
    {
        var document = await DocumentAsync();
        foreach (var operation in OperationCatalogue.All)
        {
            var route = document.GetProperty("paths").GetProperty($"/api/{Alveare.Api.Resources.OperationRoutes.PatternOf(operation)}").GetProperty("post");
            Assert.Equal(operation.Name, route.GetProperty("operationId").GetString());
            var body = Resolve(document, route.GetProperty("requestBody").GetProperty("content").GetProperty("application/json").GetProperty("schema"));
            var properties = body.TryGetProperty("properties", out var found) ? found.EnumerateObject().Select(p => p.Name) : [];
            var expected = operation.Type.GetProperties().Select(p => JsonNamingPolicy.CamelCase.ConvertName(p.Name)).Where(n => n != "target");
            Assert.Equal(expected.Order(), properties.Order());
        }
    }

    [Fact]
    public async Task EveryReferenceLeadsSomewhereAndNoNameIsUsedTwice()
    {
        var document = await DocumentAsync();
        var text = document.GetRawText();
        foreach (Match reference in Reference().Matches(text))
            Resolve(document, JsonDocument.Parse($$"""{"$ref":"{{reference.Groups[1].Value}}"}""").RootElement);
        Assert.Equal(RestApi.Routes.Count, RestApi.Routes.Select(r => r.Id).Distinct().Count());
    }

    [Fact]
    public void IdsOfEveryKindAreOfTheFormThatIsDescribed()
    {
        var pattern = (string)BodySchemas.Of(typeof(EntityId), StrictJson.Options)["pattern"]!;
        Assert.Matches(pattern, EntityId.Root.ToString());
        Assert.All(Enum.GetValues<EntityKind>(), kind => Assert.Matches(pattern, new EntityId(kind, Guid.NewGuid()).ToString()));
        Assert.DoesNotMatch(pattern, $"vmx-{Guid.Empty:N}");
    }

    [Fact]
    public async Task MachinesAreDescribedWithTheirKindAndWhatTheyAreMadeOf()
    {
        var vm = (await DocumentAsync()).GetProperty("components").GetProperty("schemas").GetProperty("VirtualMachine").GetProperty("properties");
        Assert.Equal("vm", vm.GetProperty("kind").GetProperty("const").GetString());
        Assert.Contains("string", vm.GetProperty("id").GetProperty("type").ToString(), StringComparison.Ordinal);
        Assert.True(vm.TryGetProperty("power", out _));
    }

    [Fact]
    public void EveryFaultHasItsStatus()
    {
        var faults = typeof(Fault).Assembly.GetTypes().Where(t => t.IsSubclassOf(typeof(Fault)));
        Assert.All(faults, f => Assert.True(FaultTable.Knows(f), $"{f.Name} has no status in the table."));
    }

    private static JsonElement Resolve(JsonElement document, JsonElement schema)
    {
        while (schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("$ref", out var reference))
        {
            schema = document;
            foreach (var step in reference.GetString()!.Split('/').Skip(1))
                schema = schema.GetProperty(step);
        }

        return schema;
    }

    private async Task<JsonElement> DocumentAsync() => await ApiSite.JsonAsync(await site.Stranger().GetAsync("/api/openapi.json", Cancellation));

    [GeneratedRegex("\"\\$ref\":\\s*\"([^\"]+)\"")]
    private static partial Regex Reference();
}
