using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Alveare.Model.Inventory;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Alveare.Tests.HostLink.Power;

/// <summary>A baseboard controller: a Redfish service with the documents of its schema, over real HTTPS on loopback, with a certificate of its own.</summary>
internal sealed class FakeController : IAsyncDisposable
{
    public const string User = "alveare";
    public const string Password = "käse:brot";

    private readonly X509Certificate2 _certificate;
    private readonly WebApplication _server;

    private FakeController()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _certificate = new CertificateRequest("CN=controller", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        // Kestrel wants a key that is not ephemeral.
        _certificate = X509CertificateLoader.LoadPkcs12(_certificate.Export(X509ContentType.Pkcs12), null);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, e => e.UseHttps(_certificate)));
        _server = builder.Build();
        _server.Run(AnswerAsync);
    }

    public string PowerState { get; set; } = "On";

    public string[] Systems { get; set; } = ["1"];

    public string[]? ResetTypes { get; set; } = ["On", "ForceOff", "GracefulShutdown", "ForceRestart"];

    /// <summary>What is answered instead of the documents, if anything.</summary>
    public Func<HttpContext, Task<bool>> Instead { get; set; } = _ => Task.FromResult(false);

    public List<string> Resets { get; } = [];

    public List<string> Asked { get; } = [];

    public string Address => _server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    public Redfish Settings => new(Address, User, _certificate.GetCertHashString(HashAlgorithmName.SHA256));

    public static async Task<FakeController> StartAsync()
    {
        var controller = new FakeController();
        await controller._server.StartAsync(TestContext.Current.CancellationToken);
        return controller;
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _certificate.Dispose();
    }

    private static string PathOf(string system) => $"/redfish/v1/Systems/{system}";

    private async Task AnswerAsync(HttpContext http)
    {
        lock (Asked)
            Asked.Add($"{http.Request.Method} {http.Request.Path}");
        if (await Instead(http))
            return;
        var expected = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}"));
        if (!AuthenticationHeaderValue.TryParse(http.Request.Headers.Authorization, out var given) || given.Scheme != "Basic" || given.Parameter != expected)
            http.Response.StatusCode = 401;
        else
            await AnswerKnownAsync(http);
    }

    private async Task AnswerKnownAsync(HttpContext http)
    {
        var path = http.Request.Path.Value!.TrimEnd('/');
        var system = Systems.FirstOrDefault(s => path.StartsWith(PathOf(s), StringComparison.Ordinal));
        if (http.Request.Method == "POST" && system is not null && path == $"{PathOf(system)}/Actions/ComputerSystem.Reset")
        {
            var body = await JsonSerializer.DeserializeAsync<JsonElement>(http.Request.Body);
            Resets.Add($"{system}: {body.GetProperty("ResetType").GetString()}");
            http.Response.StatusCode = 204;
            return;
        }

        object? document = path switch
        {
            "/redfish/v1" => new Dictionary<string, object> { ["@odata.id"] = "/redfish/v1/", ["RedfishVersion"] = "1.15.0", ["Systems"] = Link("/redfish/v1/Systems") },
            "/redfish/v1/Systems" => new Dictionary<string, object> { ["@odata.id"] = path, ["Members"] = Systems.Select(s => Link(PathOf(s))).ToArray() },
            _ when system is not null && path == PathOf(system) => System(system),
            _ => null,
        };
        if (document is null)
            http.Response.StatusCode = 404;
        else
            await http.Response.WriteAsJsonAsync(document);
    }

    private static Dictionary<string, object> Link(string to) => new() { ["@odata.id"] = to };

    private Dictionary<string, object> System(string id)
    {
        var reset = new Dictionary<string, object> { ["target"] = $"{PathOf(id)}/Actions/ComputerSystem.Reset" };
        if (ResetTypes is not null)
            reset["ResetType@Redfish.AllowableValues"] = ResetTypes;
        return new()
        {
            ["@odata.id"] = PathOf(id),
            ["@odata.type"] = "#ComputerSystem.v1_20_0.ComputerSystem",
            ["Id"] = id,
            ["PowerState"] = PowerState,
            ["Actions"] = new Dictionary<string, object> { ["#ComputerSystem.Reset"] = reset },
        };
    }
}
