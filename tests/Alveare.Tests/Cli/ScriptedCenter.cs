using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Alveare.Tests.Cli;

/// <summary>A web server that answers as a test says: for what a real center cannot be made to say at will.</summary>
internal sealed class ScriptedCenter : IAsyncDisposable
{
    /// <summary>A status: the answer begins well, and the connection breaks off in the middle of its body.</summary>
    public const int Cut = -1;

    private readonly WebApplication _server;

    private ScriptedCenter(WebApplication server) => _server = server;

    public Dictionary<string, string> Variables { get; } = new() { ["ALVEARE_USER"] = "anna", ["ALVEARE_PASSWORD"] = "correct horse" };

    /// <summary>What was asked for, as <c>METHOD path?query</c>.</summary>
    public List<string> Asked { get; } = [];

    /// <param name="answer">Given <c>METHOD path</c>; the status and the body.</param>
    /// <param name="locate">Given the query of a lookup; its body, or null to leave it to <paramref name="answer"/>.</param>
    public static async Task<ScriptedCenter> OpenAsync(Func<string, (int Status, string Json)> answer, Func<string, string?>? locate = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        var server = builder.Build();
        var center = new ScriptedCenter(server);
        server.Run(async http =>
        {
            var asked = $"{http.Request.Method} {http.Request.Path}";
            lock (center.Asked)
                center.Asked.Add(asked + http.Request.QueryString);
            var (status, json) = asked switch
            {
                "POST /api/session" => (200, """{"user":"anna","role":"operator","expiresAt":"2030-01-01T00:00:00+00:00","token":"t"}"""),
                "GET /api/lookup" when locate?.Invoke(http.Request.QueryString.Value!) is { } located => (200, located),
                _ => answer(asked),
            };
            http.Response.StatusCode = status == Cut ? 200 : status;
            http.Response.ContentType = status < 400 ? "application/json" : "application/problem+json";
            // A byte that never comes, so that what there is arrives first: an aborted connection may lose it.
            http.Response.ContentLength = status == Cut ? json.Length + 1 : null;
            await http.Response.WriteAsync(json);
        });
        await server.StartAsync();
        center.Variables["ALVEARE_URL"] = server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        return center;
    }

    public static string Task(string state, string more = "", string id = "task-7", string name = "web01") =>
        $$"""{"id":"{{id}}","operation":"vm.migrate","target":"vm-1","targetName":"{{name}}","user":"anna","state":"{{state}}","queuedAt":"2026-01-01T00:00:00+00:00","startedAt":"2026-01-01T00:00:00+00:00","cancelRequested":false,"version":1,"hasEnded":{{(state is "running" or "queued" ? "false" : "true")}}{{more}}}""";

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
