using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Alveare.Api.Routing;
using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>One route per operation of the catalogue, and the catalogue itself.</summary>
public static class OperationRoutes
{
    private const string Tag = "Operations";

    private static readonly Lazy<Listing<OperationAnswer>> Catalogue = new(() =>
        new([.. OperationCatalogue.All.Select(Shown)], OperationCatalogue.All.Length, ""));

    internal static IEnumerable<ApiRoute> All =>
    [
        .. OperationCatalogue.All.Select(RouteOf),
        new("GET", "operations", Tag, "All operations with their privilege, legal power states and body.", call =>
        {
            call.RequireView();
            return call.AnswerAsync(Catalogue.Value);
        })
        {
            Id = "listOperations", Answer = typeof(Listing<OperationAnswer>),
        },
    ];

    /// <summary>The route of an operation below <c>/api</c>. The site is only one, so its operations need no id.</summary>
    public static string PatternOf(OperationDeclaration operation)
    {
        var prefix = OperationCatalogue.Prefix(operation.Rules.Kind);
        return operation.Rules.Kind == EntityKind.Root ? $"{prefix}:{operation.Rules.Verb}" : $"{prefix}s/{{id}}:{operation.Rules.Verb}";
    }

    /// <summary>The power states of a set that operations may name, in JSON's words; empty when all are legal.</summary>
    public static IReadOnlyList<string> StatesOf(OperationDeclaration operation) => operation.Rules.States == PowerStates.Any
        ? []
        : [.. Enum.GetValues<PowerState>().Where(s => operation.Rules.States.Allows(s)).Select(s => ModelJson.Word(s))];

    private static ApiRoute RouteOf(OperationDeclaration operation)
    {
        var contract = StrictJson.Options.GetTypeInfo(operation.Type);
        return new("POST", PatternOf(operation), Tag, operation.Rules.Summary, call => SubmitAsync(call, operation, contract))
        {
            Id = operation.Name, Body = operation.Type, Answer = typeof(TaskRecord), Status = 202, Query = [TaskRoutes.Wait],
        };
    }

    private static async Task SubmitAsync(ApiCall call, OperationDeclaration operation, JsonTypeInfo contract)
    {
        var kind = operation.Rules.Kind;
        var target = kind == EntityKind.Root ? EntityId.Root : call.RouteId(kind, OperationCatalogue.Prefix(kind));
        var wait = TaskRoutes.WaitOf(call);
        var asked = (Operation)await call.BodyAsync(contract);
        var accepted = await call.Engine.Tasks.SubmitAsync(call.Session, asked with { Target = target });
        var task = await TaskRoutes.WaitedAsync(call, accepted, wait);
        call.Http.Response.Headers.Location = $"/api/tasks/{task.Id}";
        await call.AnswerAsync(task, task.HasEnded ? 200 : 202);
    }

    private static OperationAnswer Shown(OperationDeclaration operation) => new(
        operation.Name,
        operation.Rules.Summary,
        $"/api/{PatternOf(operation)}",
        ModelJson.Word(operation.Rules.Privilege),
        StatesOf(operation),
        operation.Rules.OnTemplates,
        operation.Rules.Cancellable,
        JsonSerializer.SerializeToElement(BodySchemas.Of(operation.Type, StrictJson.Options)));
}
