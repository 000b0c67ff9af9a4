using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Client;

/// <summary>A center's REST API for programs: log in, read records, submit operations, wait for tasks, watch changes. Safe for concurrent calls.</summary>
/// <remarks>Throws <see cref="RestFaultException"/> for what the server refuses and <see cref="NotReachableException"/> when there is no server.</remarks>
public sealed class RestClient : IDisposable
{
    /// <summary>Seconds that one request waits for the end of a task.</summary>
    internal const int LongestWait = 60;

    // How often a silent WebSocket's other end is asked whether it is there.
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(15);

    private readonly HttpClient _http;
    private readonly X509Certificate2? _authority;

    /// <param name="url">Such as <c>https://198.18.0.2:8443</c>.</param>
    /// <param name="authorityFile">PEM file of the authority that signed the server's certificate; null trusts the system's authorities.</param>
    public RestClient(Uri url, string? authorityFile = null)
    {
        var handler = new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(10), UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(10) };
        if (authorityFile is not null)
        {
            _authority = ReadAuthority(authorityFile);
            var trust = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            trust.CustomTrustStore.Add(_authority);
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = trust };
        }

        // Waits and streams last as long as they last: callers give a token.
        _http = new HttpClient(handler) { BaseAddress = url, Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>The session's token; set by a login, or from one that is still good.</summary>
    public string? Token { get; set; }

    public async Task<SessionAnswer> LogInAsync(string user, string password, CancellationToken cancellation)
    {
        var body = JsonContent(JsonSerializer.SerializeToUtf8Bytes(new LoginRequest(user, password), RestJson.Default.LoginRequest));
        using var answer = await SendAsync(HttpMethod.Post, "session", body, cancellation);
        var session = await ReadAsync<SessionAnswer>(answer, cancellation);
        Token = session.Token;
        return session;
    }

    public async Task LogOutAsync(CancellationToken cancellation)
    {
        using var answer = await SendAsync(HttpMethod.Delete, "session", null, cancellation);
        Token = null;
    }

    /// <summary>A record, as it is or as one of <see cref="RestJson"/>'s types.</summary>
    /// <param name="path">Below <c>/api/</c>, with its query.</param>
    public async Task<T> GetAsync<T>(string path, CancellationToken cancellation)
    {
        using var answer = await SendAsync(HttpMethod.Get, path, null, cancellation);
        return await ReadAsync<T>(answer, cancellation);
    }

    public Task<Listing<JsonElement>> ListAsync(string path, CancellationToken cancellation) => GetAsync<Listing<JsonElement>>(path, cancellation);

    /// <summary>The items of a list as one of <see cref="RestJson"/>'s types.</summary>
    public async Task<IReadOnlyList<T>> ListAsync<T>(string path, CancellationToken cancellation) =>
        [.. (await ListAsync(path, cancellation)).Items.Select(As<T>)];

    /// <summary>A text, such as a log.</summary>
    public async Task<Stream> OpenAsync(string path, CancellationToken cancellation)
    {
        var answer = await SendAsync(HttpMethod.Get, path, null, cancellation, HttpCompletionOption.ResponseHeadersRead);
        return await answer.Content.ReadAsStreamAsync(cancellation);
    }

    /// <summary>Copies a text that was opened, as it comes. A connection that drops is not taken for a failure to write.</summary>
    public static async Task CopyAsync(Stream text, TextWriter to, CancellationToken cancellation)
    {
        using var reader = new StreamReader(text);
        var buffer = new char[8192];
        while (await ReadAsync(reader, buffer, cancellation) is > 0 and var read)
            await to.WriteAsync(buffer.AsMemory(0, read), cancellation);
    }

    /// <summary>Opens a WebSocket. What the server refuses is a fault as everywhere, which the runtime's own client would not hand on.</summary>
    public async Task<WebSocket> OpenSocketAsync(string path, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Below(path)) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Upgrade.Add(new ProductHeaderValue("websocket"));
        request.Headers.Add("Sec-WebSocket-Version", "13");
        request.Headers.Add("Sec-WebSocket-Key", Convert.ToBase64String(RandomNumberGenerator.GetBytes(16)));
        request.Headers.Add("Sec-WebSocket-Protocol", "binary");
        var answer = await SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        var stream = answer.StatusCode == HttpStatusCode.SwitchingProtocols
            ? await answer.Content.ReadAsStreamAsync(cancellation)
            : throw new NotReachableException($"{answer.RequestMessage!.RequestUri} is no WebSocket: is it an Alveare center?");
        return WebSocket.CreateFromStream(stream, new WebSocketCreationOptions { KeepAliveInterval = KeepAlive, KeepAliveTimeout = KeepAlive });
    }

    /// <summary>The object that a name, path or id means.</summary>
    /// <param name="kind">Such as <c>vm</c>; null for any.</param>
    public Task<Located<JsonElement>> LookUpAsync(string? kind, string name, CancellationToken cancellation) =>
        GetAsync<Located<JsonElement>>($"lookup?name={Uri.EscapeDataString(name)}{(kind is null ? "" : $"&kind={kind}")}", cancellation);

    /// <summary>The id of the object that a name, path or id means.</summary>
    public async Task<string> IdOfAsync(string kind, string name, CancellationToken cancellation) =>
        (await LookUpAsync(kind, name, cancellation)).Object.GetProperty("id").GetString()!;

    /// <summary>Submits an operation and answers its task's record as the server wrote it.</summary>
    /// <param name="operation">Such as <c>vm.power-on</c>.</param>
    /// <param name="target">Id of the object it is done to; not used for the site's own.</param>
    /// <param name="wait">Seconds to wait for its end; 0 answers as soon as it is accepted.</param>
    public async Task<JsonElement> SubmitAsync(string operation, string target, JsonObject? body, int wait, CancellationToken cancellation)
    {
        var (prefix, verb) = (operation[..operation.IndexOf('.', StringComparison.Ordinal)], operation[(operation.IndexOf('.', StringComparison.Ordinal) + 1)..]);
        var path = prefix == "site" ? $"site:{verb}" : $"{prefix}s/{target}:{verb}";
        var content = body is null ? null : JsonContent(JsonSerializer.SerializeToUtf8Bytes(body, RestJson.Default.JsonObject));
        using var answer = await SendAsync(HttpMethod.Post, wait == 0 ? path : $"{path}?wait={wait}", content, cancellation);
        return await ReadAsync<JsonElement>(answer, cancellation);
    }

    /// <summary>Submits an operation and waits for its task's end, however long it takes; the caller looks at its state.</summary>
    public async Task<TaskDto> RunAsync(string operation, string target, JsonObject? body, CancellationToken cancellation)
    {
        var task = As<TaskDto>(await SubmitAsync(operation, target, body, LongestWait, cancellation));
        while (!task.HasEnded)
            task = As<TaskDto>(await WaitAsync(task.Id, LongestWait, cancellation));
        return task;
    }

    /// <summary>A task's record when it has ended or <paramref name="seconds"/> are over.</summary>
    public Task<JsonElement> WaitAsync(string task, int seconds, CancellationToken cancellation) =>
        GetAsync<JsonElement>($"tasks/{Uri.EscapeDataString(task)}?wait={seconds}", cancellation);

    public async Task<JsonElement> CancelAsync(string task, CancellationToken cancellation)
    {
        using var answer = await SendAsync(HttpMethod.Post, $"tasks/{Uri.EscapeDataString(task)}:cancel", null, cancellation);
        return await ReadAsync<JsonElement>(answer, cancellation);
    }

    /// <summary>One connection to the change stream; ends when the server ends it. Read the first block's kind: <c>reload</c> says that
    /// what came after <paramref name="after"/> is not known any more.</summary>
    /// <param name="after">A listing's position or the id of the last block that was read; null for from now on.</param>
    /// <param name="only">Comma-separated: entity, task, event; null for all.</param>
    public async IAsyncEnumerable<ServerEvent> WatchAsync(string? after, string? only, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Below(only is null ? "stream" : $"stream?only={only}"));
        if (after is not null)
            request.Headers.TryAddWithoutValidation("Last-Event-ID", after);
        using var answer = await SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
        await using var stream = await answer.Content.ReadAsStreamAsync(cancellation);
        using var reader = new StreamReader(stream);
        await foreach (var block in ServerEvent.ReadAsync(reader, cancellation))
            yield return block;
    }

    /// <summary>A record of the server as one of <see cref="RestJson"/>'s types.</summary>
    public static T As<T>(JsonElement record) =>
        record.Deserialize(RestJson.Contract<T>()) ?? throw new NotReachableException("The server answered with null where a record was expected.");

    public void Dispose()
    {
        _http.Dispose();
        _authority?.Dispose();
    }

    private static X509Certificate2 ReadAuthority(string file)
    {
        try
        {
            return X509Certificate2.CreateFromPem(File.ReadAllText(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            throw new NotReachableException($"The file '{file}' of the trusted authority cannot be used: {e.Message}", e);
        }
    }

    // With the slash: in 'site:rename' alone, 'site' would be a scheme.
    private static Uri Below(string path) => new($"/api/{path}", UriKind.Relative);

    private static ByteArrayContent JsonContent(byte[] json) => new(json) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };

    private async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, HttpContent? body, CancellationToken cancellation, HttpCompletionOption completion = HttpCompletionOption.ResponseContentRead)
    {
        using var request = new HttpRequestMessage(method, Below(path)) { Content = body };
        return await SendAsync(request, completion, cancellation);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, HttpCompletionOption completion, CancellationToken cancellation)
    {
        if (Token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token);
        HttpResponseMessage answer;
        try
        {
            answer = await _http.SendAsync(request, completion, cancellation);
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new NotReachableException($"The center at {_http.BaseAddress!.GetLeftPart(UriPartial.Authority)} cannot be reached: {Reason(e)}.", e);
        }

        if (answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.SwitchingProtocols)
            return answer;
        using (answer)
            throw await RefusalAsync(answer, cancellation);
    }

    private string Reason(Exception e) => e switch
    {
        // The resolver's own word for it may be "Resource temporarily unavailable".
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } =>
            $"the name '{_http.BaseAddress!.Host}' cannot be resolved, expected one that DNS or /etc/hosts knows, or an IP address",
        { InnerException: AuthenticationException } => "its certificate is not from the authority that is trusted (ALVEARE_CA or --ca)",
        { InnerException: SocketException socket } => socket.Message,
        { InnerException: OperationCanceledException or TimeoutException } => "no answer in time",
        _ when _http.BaseAddress!.Scheme == Uri.UriSchemeHttp => "it does not answer without encryption, expected an address that begins with https",
        _ => e.Message.TrimEnd('.'),
    };

    private static async Task<Exception> RefusalAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        try
        {
            return new RestFaultException(await ReadAsync<Problem>(answer, cancellation));
        }
        catch (NotReachableException)
        {
            return new NotReachableException($"{answer.RequestMessage!.RequestUri} answered {(int)answer.StatusCode}, and not in this API's form: is it an Alveare center?");
        }
    }

    private static async Task<int> ReadAsync(StreamReader reader, char[] buffer, CancellationToken cancellation)
    {
        try
        {
            return await reader.ReadAsync(buffer, cancellation);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new NotReachableException($"The center's answer broke off: {e.Message}", e);
        }
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer, CancellationToken cancellation)
    {
        try
        {
            await using var body = await answer.Content.ReadAsStreamAsync(cancellation);
            if (typeof(T) == typeof(JsonElement))
            {
                using var document = await JsonDocument.ParseAsync(body, default, cancellation);
                return (T)(object)document.RootElement.Clone();
            }

            return await JsonSerializer.DeserializeAsync(body, RestJson.Contract<T>(), cancellation) ?? throw new JsonException("Null is no record.");
        }
        catch (Exception e) when (e is JsonException or HttpRequestException or IOException)
        {
            throw new NotReachableException($"The answer of {answer.RequestMessage!.RequestUri} cannot be read: {e.Message}", e);
        }
    }
}
