using System.Text.Json.Nodes;
using Alveare.Cluster.Tests.Cluster;
using Alveare.Lab.Site;
using Alveare.Wire.Rest;
using Xunit;

namespace Alveare.Cluster.Tests.Balancing;

/// <summary>Two guests that burn CPU on one of three hosts: the cluster relieves it, as far as its mode lets it.</summary>
[Collection(ClusterCollection.Name)]
public sealed class BalancingTests(TestCluster cluster) : IAsyncLifetime
{
    private const string Hot = "h1";

    private static readonly string[] Names = ["burn1", "burn2"];

    private string _cluster = "";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await cluster.MendAsync();
        _cluster = (await cluster.Site.Client.ListAsync<ObjectDto>($"clusters?name={LabSite.ClusterName}", Cancellation))[0].Id;
        await SetAsync("manual", new JsonArray(new JsonObject { ["vm"] = (await cluster.MachineAsync()).Id, ["mode"] = null }));
        var template = await cluster.Site.EnsureTemplateAsync();
        foreach (var name in Names)
        {
            var made = await RunAsync("vm.clone", template, new JsonObject
            {
                ["name"] = name,
                ["kind"] = "linked",
                ["location"] = await cluster.Site.HostIdAsync(Hot),
                ["memory"] = (long)cluster.Plan.GuestMemoryMib << 20,
                ["customization"] = new JsonObject { ["hostName"] = name, ["commands"] = new JsonArray("while :; do :; done &") },
            });
            await RunAsync("vm.power-on", made.Result!);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_cluster.Length == 0)
            return;
        await cluster.RepairAsync();
        await SetAsync("partial", []);
        foreach (var vm in await cluster.Site.Client.ListAsync<VmDto>("vms", CancellationToken.None))
        {
            if (!Names.Contains(vm.Name))
                continue;
            await cluster.FreeAsync(vm.Name);
            await RunAsync("vm.destroy", vm.Id, new JsonObject { ["powerOff"] = true });
        }
    }

    [Fact]
    public async Task AHotHostIsRelievedByHandInManualModeAndByItselfInFullMode()
    {
        // Manual: a recommendation waits, and nothing moves.
        IReadOnlyList<RecommendationDto> recommended = [];
        await Until.TrueAsync(
            async () => (recommended = await RecommendedAsync()).Count > 0, () => "a move off the hot host is recommended");
        Assert.All(recommended, r => Assert.True(r.FromName == Hot && Names.Contains(r.VmName!), r.Reason));
        var first = recommended[0];
        Assert.All(await PlacesAsync(), place => Assert.Equal(Hot, place));
        Assert.DoesNotContain(await MigrationsAsync(), t => t.User == "balancing");

        await RunAsync("cluster.apply-recommendations", _cluster, new JsonObject { ["recommendations"] = new JsonArray(first.Id) });
        var moved = await cluster.Site.MachineAsync(first.VmName!);
        Assert.Equal((first.To, "on"), (moved.Host, moved.Power));
        Assert.Equal([first.ToName!], cluster.HostsWithQemu(moved));
        Assert.Contains(await MigrationsAsync(), t => t.Target == moved.Id && t.User == "admin" && t.Reason == first.Reason);

        // Back it goes, and now the cluster may move by itself. What has just come to its host rests there, so it is the other one.
        await cluster.Site.StartMigrationAsync(moved.Id, Hot);
        await cluster.FreeAsync(moved.Name);
        Assert.All(await PlacesAsync(), place => Assert.Equal(Hot, place));
        await SetAsync("full", []);
        IReadOnlyList<TaskDto> moves = [];
        await Until.TrueAsync(
            async () => (moves = [.. (await MigrationsAsync()).Where(t => t.User == "balancing")]).Any(t => t.State == "succeeded"),
            () => $"balancing has moved a machine off the hot host; what it did is: {string.Join(", ", moves.Select(t => $"{t.TargetName} {t.State} {t.Step} {t.Fault?.Message}"))}");
        var task = moves.Last(t => t.State == "succeeded");
        Assert.Contains(Hot, task.Reason, StringComparison.Ordinal);
        await SetAsync("manual", []);
        Assert.Equal(1, (await PlacesAsync()).Count(p => p == Hot));
        Assert.Single(cluster.HostsWithQemu(await cluster.Site.MachineAsync(task.TargetName)));
    }

    private Task<TaskDto> RunAsync(string operation, string target, JsonObject? body = null) => cluster.Site.RunAsync(operation, target, body);

    private Task SetAsync(string mode, JsonArray overrides) => RunAsync(
        "cluster.set-balancing", _cluster, new JsonObject { ["mode"] = mode, ["interval"] = "00:00:05", ["level"] = 3, ["overrides"] = overrides });

    private Task<IReadOnlyList<RecommendationDto>> RecommendedAsync() =>
        cluster.Site.Client.ListAsync<RecommendationDto>($"clusters/{_cluster}/recommendations", Cancellation);

    private async Task<IReadOnlyList<TaskDto>> MigrationsAsync() =>
        [.. (await cluster.Site.Client.ListAsync<TaskDto>("tasks", Cancellation)).Where(t => t.Operation == "vm.migrate" && Names.Contains(t.TargetName))];

    private async Task<string[]> PlacesAsync() =>
        [.. await Task.WhenAll(Names.Select(async name => await cluster.Site.HostNameOfAsync(await cluster.Site.MachineAsync(name))))];
}
