using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Alveare.Core;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Security;
using Microsoft.AspNetCore.Http;

namespace Alveare.Api.Routing;

/// <summary>One request that a handler answers: who asks, what for, and how to write the answer.</summary>
public sealed class ApiCall(HttpContext http, Engine engine, Session? session, string? token, long bodyLimit = RequestBody.Limit)
{
    public Engine Engine => engine;

    public HttpContext Http => http;

    public CancellationToken Aborted => http.RequestAborted;

    /// <summary>Only a handler of an open route can find nobody here.</summary>
    public Session Session => session ?? throw new FaultException(new NotAuthenticated());

    public string Token => token ?? throw new FaultException(new NotAuthenticated());

    public string RouteText(string name) => (string)http.Request.RouteValues[name]!;

    /// <summary>The object id in the route; a <see cref="NotFound"/> fault for a text that is none of this kind.</summary>
    public EntityId RouteId(EntityKind kind, string what) =>
        EntityId.TryParse(RouteText("id"), out var id) && id.Kind == kind ? id : throw new FaultException(new NotFound(what, RouteText("id")));

    /// <summary>Reads need this much: every role has it, and a check that exists cannot be forgotten when one comes that has not.</summary>
    public void RequireView() => Session.Require(Privilege.View, http.Request.Path);

    public string? QueryText(string name) => http.Request.Query.TryGetValue(name, out var values) ? values.ToString() : null;

    public int? QueryNumber(string name, int least, int most)
    {
        if (QueryText(name) is not { } text)
            return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most
            ? number
            : throw BadQuery(name, text, $"a whole number from {least} to {most}");
    }

    public bool? QueryFlag(string name) => QueryText(name) switch
    {
        null => null,
        "true" => true,
        "false" => false,
        var text => throw BadQuery(name, text, "true or false"),
    };

    public EntityId? QueryId(string name)
    {
        if (QueryText(name) is not { } text)
            return null;
        return EntityId.TryParse(text, out var id) ? id : throw BadQuery(name, text, "an object id, such as 'vm-' and 32 hexadecimal digits");
    }

    /// <summary>The value of an enumeration in its JSON form, such as <c>read-only</c>.</summary>
    public T? QueryChoice<T>(string name)
        where T : struct, Enum
    {
        if (QueryText(name) is not { } text)
            return null;
        foreach (var value in Enum.GetValues<T>())
        {
            if (ModelJson.Word(value) == text)
                return value;
        }

        var choices = Enum.GetNames<T>().Select(JsonNamingPolicy.KebabCaseLower.ConvertName);
        throw BadQuery(name, text, $"one of {string.Join(", ", choices)}");
    }

    /// <summary>Writes <paramref name="value"/> straight into the connection's buffer.</summary>
    public async Task AnswerAsync<T>(T value, int status = 200)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json; charset=utf-8";
        // What is listed is of this moment and of this user.
        http.Response.Headers.CacheControl = "no-store";
        await JsonSerializer.SerializeAsync(http.Response.BodyWriter, value, AnswerType<T>.Info, Aborted);
    }

    public Task<T> BodyAsync<T>() => RequestBody.ReadAsync(http.Request, BodyType<T>.Info, bodyLimit, Aborted);

    public async Task<object> BodyAsync(JsonTypeInfo type) => await RequestBody.ReadAsync(http.Request, type, bodyLimit, Aborted);

    private static FaultException BadQuery(string name, string given, string expected) =>
        new(new InvalidArgument("The query", $"'{name}'", $"'{(given.Length <= 100 ? given : given[..100])}'", expected));

    // Looked up once per type, not per request.
    private static class AnswerType<T>
    {
        public static readonly JsonTypeInfo<T> Info = (JsonTypeInfo<T>)ModelJson.Options.GetTypeInfo(typeof(T));
    }

    private static class BodyType<T>
    {
        public static readonly JsonTypeInfo<T> Info = (JsonTypeInfo<T>)StrictJson.Options.GetTypeInfo(typeof(T));
    }
}
