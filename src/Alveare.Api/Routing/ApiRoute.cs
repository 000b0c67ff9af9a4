namespace Alveare.Api.Routing;

/// <summary>One route: the one declaration from which the server and the OpenAPI document are made.</summary>
/// <param name="Pattern">Below <c>/api</c>, in ASP.NET's form, such as <c>vms/{id}</c>.</param>
/// <param name="Handle">Translates and answers.</param>
public sealed record ApiRoute(string Method, string Pattern, string Tag, string Summary, Func<ApiCall, Task> Handle)
{
    public const string TicketQuery = "ticket";

    /// <summary>What the query may hold; anything else is refused, so that a mistyped filter is not ignored.</summary>
    public IReadOnlyList<QueryParameter> Query { get; init; } = [];

    /// <summary>Type of the JSON body, or null when there is none.</summary>
    public Type? Body { get; init; }

    /// <summary>The largest body that is read, in bytes.</summary>
    public long BodyLimit { get; init; } = RequestBody.Limit;

    /// <summary>Type of the answer's JSON, or null.</summary>
    public Type? Answer { get; init; }

    public int Status { get; init; } = 200;

    public string MediaType { get; init; } = "application/json";

    /// <summary>Needs no session.</summary>
    public bool IsOpen { get; init; }

    /// <summary>Opens a WebSocket; a ticket in the query may stand for the session then.</summary>
    public bool IsWebSocket { get; init; }

    /// <summary>Stable name for generated clients.</summary>
    public required string Id { get; init; }
}

/// <summary>One parameter of a query.</summary>
/// <param name="Schema">Name of its JSON type: string, integer or boolean.</param>
public sealed record QueryParameter(string Name, string Schema, string Description);
