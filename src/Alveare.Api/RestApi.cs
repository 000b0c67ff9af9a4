using System.Reflection;
using Alveare.Api.Consoles;
using Alveare.Api.Documents;
using Alveare.Api.Problems;
using Alveare.Api.Resources;
using Alveare.Api.Routing;
using Alveare.Core;
using Alveare.Model.Faults;
using Alveare.Wire.Rest;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Alveare.Api;

/// <summary>The REST facade: puts its routes on a web server. It translates, and decides nothing.</summary>
public static class RestApi
{
    private const string Scheme = "Bearer ";

    /// <summary>Every route there is.</summary>
    public static IReadOnlyList<ApiRoute> Routes { get; } =
    [
        .. SessionRoutes.All,
        .. InventoryRoutes.All,
        .. OperationRoutes.All,
        .. TaskRoutes.All,
        .. EventRoutes.All,
        .. CpuBaselineRoutes.All,
        .. MaintenanceRoutes.All,
        .. RuleRoutes.All,
        .. StatisticsRoutes.All,
        .. BalanceRoutes.All,
        .. WhatIfRoutes.All,
        .. UserRoutes.All,
        LogRoute.Vm,
        .. ConsoleRoutes.All,
        ChangeStream.Route,
        new("GET", "health", "Site", "Whether the center serves.", HealthAsync) { Id = "getHealth", Answer = typeof(Health), IsOpen = true },
        new("GET", "openapi.json", "Site", "This document.", OpenApiAsync) { Id = "getOpenApi", Answer = typeof(object), IsOpen = true },
    ];

    /// <summary>The version that the server says it is.</summary>
    public static string Version { get; } =
        typeof(RestApi).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static readonly Lazy<byte[]> Document = new(() => OpenApiDocument.Write(Routes, Version));

    /// <summary>Serves <paramref name="engine"/> on <paramref name="server"/>, which needs routing's core services and nothing else.</summary>
    public static void UseAlveareApi(this WebApplication server, Engine engine, ILogger log)
    {
        var problems = new ProblemWriter(log);
        server.Use(next => http => problems.InvokeAsync(http, next));
        // Before a route is looked for: a body that no route takes is not read to find that out.
        var largest = Routes.Max(r => r.BodyLimit);
        server.Use(next => http => TooLarge(http, largest) ? throw new ProblemException(HttpProblem.BodyTooLarge(largest)) : next(http));
        server.UseWebSockets();
        server.UseRouting();
        foreach (var route in Routes)
        {
            var allowed = route.Query.Select(q => q.Name).ToHashSet();
            // Over HTTP/2 a browser opens a WebSocket by CONNECT (RFC 8441).
            string[] methods = route.IsWebSocket ? [route.Method, HttpMethods.Connect] : [route.Method];
            server.MapMethods($"/api/{route.Pattern}", methods, http => HandleAsync(http, route, allowed, engine));
        }

        // What no other pattern takes: a word after an object's id that is no operation.
        server.MapPost("/api/{collection}/{id}", http => throw new FaultException(new NotFound("operation", http.Request.Path)));
    }

    private static bool TooLarge(HttpContext http, long limit)
    {
        if (http.Request.ContentLength is not { } length || length <= limit)
            return false;
        // The rest of the body is not worth reading: the connection ends with the answer.
        http.Response.Headers.Connection = HttpProtocol.IsHttp11(http.Request.Protocol) ? "close" : default;
        return true;
    }

    private static Task HandleAsync(HttpContext http, ApiRoute route, HashSet<string> allowed, Engine engine)
    {
        // No browser may guess that an answer is anything but what it says.
        http.Response.Headers.XContentTypeOptions = "nosniff";
        if (TooLarge(http, route.BodyLimit))
            throw new ProblemException(HttpProblem.BodyTooLarge(route.BodyLimit));
        var token = TokenOf(http.Request);
        var hasTicket = route.IsWebSocket && http.Request.Query.ContainsKey(ApiRoute.TicketQuery);
        var session = route.IsOpen || hasTicket ? null : engine.Sessions.Authenticate(token);
        foreach (var name in http.Request.Query.Keys)
        {
            if (!allowed.Contains(name))
                throw new FaultException(new InvalidArgument("The query", $"'{name}'", "unknown", allowed.Count == 0 ? "no query" : $"only {string.Join(", ", allowed)}"));
        }

        return route.Handle(new ApiCall(http, engine, session, token, route.BodyLimit));
    }

    private static string? TokenOf(HttpRequest request) =>
        request.Headers.Authorization.ToString() is { } header && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : null;

    private static Task HealthAsync(ApiCall call) => call.AnswerAsync(new Health("serving", Version, call.Engine.Inventory.Current.Count));

    private static Task OpenApiAsync(ApiCall call)
    {
        call.Http.Response.ContentType = "application/json; charset=utf-8";
        return call.Http.Response.Body.WriteAsync(Document.Value, call.Aborted).AsTask();
    }
}
