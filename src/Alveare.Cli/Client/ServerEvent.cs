using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Alveare.Cli.Client;

/// <summary>One block of the change stream.</summary>
/// <param name="Id">Where to resume after it.</param>
/// <param name="Kind"><c>start</c>, <c>resume</c> or <c>reload</c> first; then <c>entity-put</c>, <c>entity-removed</c>, <c>task</c>, <c>event</c>;
/// <c>end</c> when the session is over.</param>
public sealed record ServerEvent(string Id, string Kind, JsonElement Data)
{
    /// <summary>Reads blocks in the form of server-sent events until the text ends; comments are left out.</summary>
    public static async IAsyncEnumerable<ServerEvent> ReadAsync(TextReader reader, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (id, kind, data) = ("", "message", "");
        while (await LineAsync(reader, cancellation) is { } line)
        {
            if (line.Length == 0)
            {
                if (data.Length > 0)
                    yield return new ServerEvent(id, kind, Parse(data));
                (kind, data) = ("message", "");
                continue;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            var value = colon < 0 ? "" : line[(colon + 1)..].TrimStart(' ');
            switch (colon < 0 ? line : line[..colon])
            {
                case "id": id = value; break;
                case "event": kind = value; break;
                case "data": data += value; break;
            }
        }
    }

    private static async Task<string?> LineAsync(TextReader reader, CancellationToken cancellation)
    {
        try
        {
            return await reader.ReadLineAsync(cancellation);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            // A cut connection is an end like any other: the caller resumes.
            return null;
        }
    }

    private static JsonElement Parse(string data)
    {
        using var document = JsonDocument.Parse(data);
        return document.RootElement.Clone();
    }
}
