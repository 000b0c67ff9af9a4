using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Alveare.Api.Problems;
using Alveare.Model.Faults;
using Microsoft.AspNetCore.Http;

namespace Alveare.Api.Routing;

/// <summary>Reads a JSON body: bounded, strict, and with the place of what is wrong.</summary>
internal static class RequestBody
{
    /// <summary>The largest body that is read unless a route says otherwise; no operation comes near it.</summary>
    public const long Limit = 1024 * 1024;

    private const string What = "The request's body";

    public static async Task<T> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> type, long limit, CancellationToken cancellation) =>
        (T)await ReadAsync(request, (JsonTypeInfo)type, limit, cancellation);

    /// <summary>An absent body counts as an empty object. Faults: <see cref="InvalidArgument"/>; problems: too large, wrong media type.</summary>
    public static async Task<object> ReadAsync(HttpRequest request, JsonTypeInfo type, long limit, CancellationToken cancellation)
    {
        var body = await BytesAsync(request, limit, cancellation);
        if (body.Length == 0)
            body = "{}"u8.ToArray();
        else if (!request.HasJsonContentType())
            throw new ProblemException(HttpProblem.WrongMediaType(request.ContentType));
        try
        {
            var read = JsonSerializer.Deserialize(body, type) ?? throw new FaultException(Wrong("at $", "null", "an object"));
            return BodyMistake.FindNullElement(body) is { } mistake ? throw new FaultException(mistake) : read;
        }
        catch (JsonException e)
        {
            throw new FaultException(BodyMistake.Find(body, type, e), e);
        }
    }

    internal static InvalidArgument Wrong(string place, string given, string expected) => new(What, place, given, expected);

    private static async Task<byte[]> BytesAsync(HttpRequest request, long limit, CancellationToken cancellation)
    {
        while (true)
        {
            var read = await request.BodyReader.ReadAsync(cancellation);
            if (read.Buffer.Length > limit)
                throw new ProblemException(HttpProblem.BodyTooLarge(limit));
            if (read.IsCompleted)
            {
                var body = read.Buffer.ToArray();
                request.BodyReader.AdvanceTo(read.Buffer.End);
                return body;
            }

            request.BodyReader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }
}
