using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Security;
using System.Text;
using System.Text.Json;
using Alveare.HostLink.Trust;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;

namespace Alveare.HostLink.Power;

/// <summary>What a baseboard controller says of its system (DMTF DSP2046, <c>ComputerSystem</c>).</summary>
/// <param name="ResetTarget">Where a reset is posted to.</param>
/// <param name="ResetTypes">What may be posted; null when the controller does not say.</param>
internal sealed record RedfishSystem(bool IsOn, Uri ResetTarget, IReadOnlyList<string>? ResetTypes);

/// <summary>A conversation with one baseboard controller: HTTPS with a pinned certificate, every request with the user's name and password
/// (DMTF DSP0266, 13.3.2).</summary>
/// <remarks>No redirect is followed and nothing is asked of another address: the password goes to the pinned controller alone.</remarks>
internal sealed class RedfishClient : IDisposable
{
    private const int LongestAnswer = 1 << 20;
    private const string Root = "/redfish/v1/";

    private readonly Redfish _controller;
    private readonly Uri _address;
    private readonly HttpClient _http;
    private string? _shown;

    public RedfishClient(Redfish controller, string password)
    {
        _controller = controller;
        _address = new Uri(controller.Address);
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    _shown = certificate is System.Security.Cryptography.X509Certificates.X509Certificate2 peer ? Certificates.Fingerprint(peer) : null;
                    return _shown == controller.Fingerprint;
                },
            },
        };
        _http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(30), MaxResponseContentBufferSize = LongestAnswer };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue(
            "Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{controller.User}:{password}")));
        _http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        _http.DefaultRequestHeaders.Add("OData-Version", "4.0");
    }

    /// <summary>Reads the system: the one that the address names, or the only one there is.</summary>
    public async Task<RedfishSystem> ReadAsync(CancellationToken cancellation)
    {
        var at = _address.AbsolutePath.Trim('/').Length > 0 ? _address : await OnlySystemAsync(cancellation);
        var system = await GetAsync(at, cancellation);
        var reset = Find(Find(system, "Actions"), "#ComputerSystem.Reset");
        return new RedfishSystem(
            // PoweringOn and PoweringOff too: power is there.
            Text(system, "PowerState", at) != "Off",
            Within(Text(reset, "target", at)),
            Find(reset, "ResetType@Redfish.AllowableValues") is { ValueKind: JsonValueKind.Array } types ? [.. types.EnumerateArray().Select(t => t.ToString())] : null);
    }

    /// <summary>Asks for a reset; <paramref name="type"/> is one of the schema's, such as <c>On</c>.</summary>
    public async Task ResetAsync(RedfishSystem system, string type, CancellationToken cancellation)
    {
        Require(system, type);
        using var content = JsonContent.Create(new Dictionary<string, string> { ["ResetType"] = type });
        using var answer = await SendAsync(new HttpRequestMessage(HttpMethod.Post, system.ResetTarget) { Content = content }, cancellation);
    }

    /// <summary>Throws for a reset that the controller says it does not have.</summary>
    public void Require(RedfishSystem system, string type)
    {
        if (system.ResetTypes is { } known && !known.Contains(type, StringComparer.Ordinal))
            throw Failed($"its system can be reset by {string.Join(", ", known)}, but not by {type}");
    }

    public void Dispose() => _http.Dispose();

    private async Task<Uri> OnlySystemAsync(CancellationToken cancellation)
    {
        var root = await GetAsync(Within(Root), cancellation);
        var systems = Within(Text(Find(root, "Systems"), "@odata.id", Within(Root)));
        var members = Find(await GetAsync(systems, cancellation), "Members") is { ValueKind: JsonValueKind.Array } all ? all.EnumerateArray().ToList() : [];
        return members.Count == 1
            ? Within(Text(members[0], "@odata.id", systems))
            : throw Failed($"it has {members.Count} systems, expected one, or an address that ends with the path of one: {string.Join(", ", members.Select(m => Find(m, "@odata.id")))}");
    }

    private async Task<JsonElement> GetAsync(Uri at, CancellationToken cancellation)
    {
        using var answer = await SendAsync(new HttpRequestMessage(HttpMethod.Get, at), cancellation);
        try
        {
            return await answer.Content.ReadFromJsonAsync<JsonElement>(cancellation);
        }
        catch (JsonException)
        {
            throw Failed($"what it answers at {at.AbsolutePath} is no JSON");
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        HttpResponseMessage answer;
        try
        {
            using (request)
                answer = await _http.SendAsync(request, cancellation);
        }
        catch (HttpRequestException e)
        {
            throw new FaultException(new ControllerFailed(_controller.Address, WhyNoAnswer(e)), e);
        }
        catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
        {
            throw new FaultException(new ControllerFailed(_controller.Address, $"it does not answer within {_http.Timeout.TotalSeconds:0} s"), e);
        }

        if (answer.IsSuccessStatusCode)
            return answer;
        using (answer)
        {
            throw Failed(answer.StatusCode is System.Net.HttpStatusCode.Unauthorized or System.Net.HttpStatusCode.Forbidden
                ? $"it refuses its user '{_controller.User}' (HTTP {(int)answer.StatusCode})"
                : $"it answers HTTP {(int)answer.StatusCode} at {answer.RequestMessage?.RequestUri?.AbsolutePath}");
        }
    }

    private string WhyNoAnswer(HttpRequestException e) => _shown is { } other && other != _controller.Fingerprint
        ? $"its certificate has the fingerprint {other}, expected {_controller.Fingerprint}"
        : (e.InnerException ?? e).Message.TrimEnd('.');

    private static JsonElement? Find(JsonElement? at, string name) =>
        at is { ValueKind: JsonValueKind.Object } found && found.TryGetProperty(name, out var value) ? value : null;

    private string Text(JsonElement? at, string name, Uri from) => Find(at, name) is { ValueKind: JsonValueKind.String } text
        ? text.GetString()!
        : throw Failed($"what it answers at {from.AbsolutePath} has no '{name}' where a Redfish service has one");

    private Uri Within(string link) => Uri.TryCreate(_address, link, out var at) && at.Scheme == _address.Scheme && at.Authority == _address.Authority
        ? at
        : throw Failed($"it refers to '{link}', which is elsewhere");

    private FaultException Failed(string reason) => new(new ControllerFailed(_controller.Address, reason));
}
