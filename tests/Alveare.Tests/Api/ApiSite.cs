using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Alveare.Api;
using Alveare.Core;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Security;
using Alveare.Simulation.Sites;
using Alveare.Tests.Core;
using Alveare.Wire.Rest;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Alveare.Tests.Api;

/// <summary>The real engine behind the real facade on a loopback port, with simulated hosts that nobody has joined yet and a directory they share.</summary>
public sealed class ApiSite : IAsyncLifetime
{
    public const string Password = "correct horse";

    private readonly List<HttpClient> _clients = [];
    private readonly Dictionary<string, HttpClient> _shared = [];
    private WebApplication? _server;

    internal ManualClock Clock { get; } = new();

    internal Engine Engine { get; private set; } = null!;

    internal SimulatedSite Simulation { get; private set; } = null!;

    public Uri Url { get; private set; } = null!;

    public EntityId Datacenter { get; } = new(EntityKind.Datacenter, new Guid("00000000-0000-0000-0000-0000000000d1"));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var ids = new IdSource(RandomNumberGenerator.Fill);
        Simulation = SimulatedSite.Open(Clock);
        Simulation.AddDatastore("/shared");
        Simulation.AddHost("h1");
        Simulation.AddHost("h2");
        Engine = new Engine(new MemoryStore(), Simulation, Simulation, Clock, ids, NullLoggerFactory.Instance);
        Engine.Consoles.NewsDelay = Patience.Longest;
        await Engine.StartAsync(Cancellation);
        await Engine.Users.CreateAsync("admin", Password, Role.Administrator);
        await Engine.Users.CreateAsync("olga", Password, Role.Operator);
        await Engine.Users.CreateAsync("rita", Password, Role.ReadOnly);
        await PutAsync(new Datacenter { Id = Datacenter, Name = "north", Parent = EntityId.Root });

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        _server = builder.Build();
        _server.UseAlveareApi(Engine, NullLogger.Instance);
        await _server.StartAsync(Cancellation);
        Url = new Uri(_server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
            client.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
        await Engine.DisposeAsync();
    }

    public Task PutAsync(params Entity[] objects) => Engine.Inventory.ApplyAsync(_ => InventoryEdit.Of(objects));

    /// <summary>Puts a powered-off machine into the inventory.</summary>
    public async Task<EntityId> PutMachineAsync(string name, EntityId? parent = null, PowerState power = PowerState.Off, bool isTemplate = false)
    {
        var uuid = Guid.NewGuid();
        await PutAsync(new VirtualMachine
        {
            Id = EntityId.Vm(uuid),
            Name = name,
            Parent = parent ?? Datacenter,
            Power = power,
            Config = new DatastorePath(EntityId.Datastore(Guid.Empty), $"{name}/{name}.vmx"),
            Spec = new MachineSpec { Uuid = uuid, Name = name, Cpus = 2, Memory = Bytes.FromMib(512), IsTemplate = isTemplate },
        });
        return EntityId.Vm(uuid);
    }

    /// <summary>A client without a session.</summary>
    public HttpClient Stranger()
    {
        var client = new HttpClient { BaseAddress = Url, Timeout = Patience.Longest };
        _clients.Add(client);
        return client;
    }

    /// <summary>A client with a session that the tests of one class share: hashing a password takes its time.</summary>
    public async Task<HttpClient> AsAsync(string user = "admin") =>
        _shared.TryGetValue(user, out var client) ? client : _shared[user] = await LogInAsync(user);

    /// <summary>A client with a session of its own.</summary>
    public async Task<HttpClient> LogInAsync(string user = "admin")
    {
        var client = Stranger();
        var answer = await client.PostAsync("/api/session", Json($$"""{"user":"{{user}}","password":"{{Password}}"}"""), Cancellation);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var session = await answer.Content.ReadFromJsonAsync<SessionAnswer>(Cancellation);
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", session!.Token);
        return client;
    }

    public static StringContent Json(string json) => new(json, Encoding.UTF8, "application/json");

    /// <summary>The problem that an answer must be.</summary>
    internal static async Task<Problem> ProblemAsync(HttpResponseMessage answer, int status, string code)
    {
        var text = await answer.Content.ReadAsStringAsync(Cancellation);
        Assert.True((int)answer.StatusCode == status, $"{(int)answer.StatusCode} instead of {status}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        var problem = JsonSerializer.Deserialize<Problem>(text, JsonSerializerOptions.Web)!;
        Assert.Equal((status, code), (problem.Status, problem.Code));
        Assert.EndsWith(code, problem.Type, StringComparison.Ordinal);
        Assert.NotEmpty(problem.Detail);
        return problem;
    }

    internal static async Task<JsonElement> JsonAsync(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync(Cancellation);
        Assert.True(answer.IsSuccessStatusCode, $"{(int)answer.StatusCode}: {text}");
        return JsonDocument.Parse(text).RootElement;
    }
}
