using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Alveare.Cli.Client;
using Alveare.Cli.Output;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Running;

/// <summary>One run of a command: its options, its connection to the center, its output.</summary>
public sealed class Run : IDisposable
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly GlobalOptions _global;
    private RestClient? _client;

    internal Run(CliEnvironment environment, GlobalOptions global, ParseResult parsed, CancellationToken interrupted) =>
        (Environment, _global, Parsed, Interrupted) = (environment, global, parsed, interrupted);

    public CliEnvironment Environment { get; }

    public ParseResult Parsed { get; }

    /// <summary>Ctrl-C.</summary>
    public CancellationToken Interrupted { get; }

    public bool IsJson => Parsed.GetValue(_global.Json);

    public string User => Parsed.GetValue(_global.User) ?? Environment.Given("ALVEARE_USER") ?? "admin";

    public Uri Url
    {
        get
        {
            var text = Parsed.GetValue(_global.Url) ?? Environment.Given("ALVEARE_URL")
                ?? throw new NotReachableException("Which center? Set ALVEARE_URL or give --url, such as https://198.18.0.2:8443.");
            return Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "https" or "http"
                ? url
                : throw new UsageException($"The center's address is '{text}', expected one such as https://198.18.0.2:8443.");
        }
    }

    /// <summary>Where tokens are kept between commands, or null.</summary>
    internal TokenCache? Tokens => Environment.CacheDirectory is { } directory ? new TokenCache(directory) : null;

    private string? Password => Environment.Given("ALVEARE_PASSWORD");

    public T? Value<T>(Option<T> option) => Parsed.GetValue(option);

    public T Value<T>(Argument<T> argument) => Parsed.GetValue(argument)!;

    /// <summary>A client without a session.</summary>
    public RestClient Open() => _client ??= new RestClient(Url, Parsed.GetValue(_global.Authority) ?? Environment.Given("ALVEARE_CA"));

    /// <summary>Does something with a session: the last one of this user, or a new one when that has ended.</summary>
    public async Task<T> AskAsync<T>(Func<RestClient, Task<T>> ask)
    {
        var client = Open();
        if (client.Token is null && (client.Token = Tokens?.Find(Url, User)) is null)
            await LogInAsync();
        try
        {
            return await ask(client);
        }
        catch (RestFaultException e) when (e.Problem.Code == "NotAuthenticated")
        {
            // Without a password another command's login may have come since.
            if (Password is null && Tokens?.Find(Url, User) is { } kept && kept != client.Token)
                client.Token = kept;
            else
                await LogInAsync();
            return await ask(client);
        }
    }

    public async Task<SessionAnswer> LogInAsync()
    {
        var password = Password ?? throw new NoLoginException($"There is no session of '{User}': set ALVEARE_PASSWORD.");
        var client = Open();
        client.Token = null;
        var session = await client.LogInAsync(User, password, Interrupted);
        Tokens?.Keep(Url, User, session.Token!);
        return session;
    }

    public Task<string> IdOfAsync(string kind, string name) => AskAsync(c => c.IdOfAsync(kind, name, Interrupted));

    public async Task<string?> IdOfAsync(string kind, Option<string?> option) => Value(option) is { } name ? await IdOfAsync(kind, name) : null;

    /// <summary>The ids of objects of a kind, in the order of their names.</summary>
    public async Task<string[]> IdsOfAsync(string kind, IEnumerable<string> names)
    {
        var ids = new List<string>();
        foreach (var name in names)
            ids.Add(await IdOfAsync(kind, name));
        return [.. ids];
    }

    /// <summary>Writes a list as a table, or its records as a JSON array.</summary>
    public void WriteList<T>(IReadOnlyList<JsonElement> records, params Column<T>[] columns) => Write(
        w =>
        {
            w.WriteStartArray();
            foreach (var record in records)
                record.WriteTo(w);
            w.WriteEndArray();
        },
        () => Table.Format([.. records.Select(RestClient.As<T>)], columns));

    /// <summary>Writes one record.</summary>
    public void WriteRecord(JsonElement record) => Write(record.WriteTo, () => RecordView.Format(record));

    /// <summary>Writes an answer in the form that was asked for.</summary>
    public void Write(Action<Utf8JsonWriter> json, Func<string> text)
    {
        if (IsJson)
            WriteJson(json);
        else
            Environment.Out.Write(text());
    }

    public void WriteJson(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, Indented))
            write(writer);
        Environment.Out.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length));
    }

    /// <summary>Says why something failed; the exit code that it means.</summary>
    public async Task<int> SayAsync(Exception failure)
    {
        await Environment.Error.WriteLineAsync($"alveare: {failure.Message}");
        return ExitCode.Of(failure);
    }

    public void Dispose() => _client?.Dispose();
}
