using System.Text.Json;
using Alveare.Model;
using Alveare.Simulation.Sites;
using Xunit;

namespace Alveare.Tests.Api;

/// <summary>An <see cref="ApiSite"/> with two joined hosts and a datastore, on which machines are made and started.</summary>
public sealed class ConsoleSite : IAsyncLifetime
{
    public ApiSite Site { get; } = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Site.InitializeAsync();
        foreach (var host in Site.Simulation.Hosts)
        {
            await DoAsync(
                $"datacenters/{Site.Datacenter}:join-host",
                new { address = host.Address, fingerprint = host.Fingerprint, user = SimulatedSite.User, password = SimulatedSite.Password });
        }

        await DoAsync($"datacenters/{Site.Datacenter}:create-datastore", new { name = "shared", path = "/shared" });
    }

    public ValueTask DisposeAsync() => Site.DisposeAsync();

    /// <summary>A new machine that runs.</summary>
    public async Task<EntityId> RunningAsync(string name)
    {
        var datastore = Site.Engine.Inventory.Current.OfType<Alveare.Model.Inventory.Datastore>().Single().Id;
        var made = await DoAsync($"datacenters/{Site.Datacenter}:create-vm", new { name, datastore = datastore.ToString(), cpus = 1, memory = 64 << 20 });
        var vm = EntityId.Parse(made.GetProperty("result").GetString()!);
        await DoAsync($"vms/{vm}:power-on");
        return vm;
    }

    /// <summary>Carries out an operation to its success and answers its task's record.</summary>
    public async Task<JsonElement> DoAsync(string operation, object? body = null)
    {
        using var content = ApiSite.Json(JsonSerializer.Serialize(body ?? new { }));
        var answer = await (await Site.AsAsync()).PostAsync($"/api/{operation}?wait={Patience.Longest.TotalSeconds}", content, Cancellation);
        var task = await ApiSite.JsonAsync(answer);
        Assert.True(task.GetProperty("state").GetString() == "succeeded", task.ToString());
        return task;
    }
}
