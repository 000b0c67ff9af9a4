using System.Text.Json.Nodes;
using Alveare.Cluster.Tests.Cluster;
using Alveare.Lab;
using Alveare.Lab.Site;
using Alveare.Wire.Rest;
using Xunit;

namespace Alveare.Cluster.Tests.Rules;

/// <summary>Two real guests that a rule keeps apart: at their start, at a move by hand, and when the host of one is emptied.</summary>
[Collection(ClusterCollection.Name)]
public sealed class RuleTests(TestCluster cluster) : IAsyncLifetime
{
    private const string Rule = "apart";

    private static readonly string[] Names = ["left", "right"];
    private static readonly TimeSpan Bound = TimeSpan.FromMinutes(2);

    private string _cluster = "";

    public async ValueTask InitializeAsync()
    {
        await cluster.MendAsync();
        _cluster = (await cluster.Site.Client.ListAsync<ObjectDto>($"clusters?name={LabSite.ClusterName}", TestContext.Current.CancellationToken))[0].Id;
        var template = await cluster.Site.EnsureTemplateAsync();
        foreach (var name in Names)
        {
            await cluster.Site.RunAsync("vm.clone", template, new JsonObject
            {
                ["name"] = name,
                ["kind"] = "linked",
                ["location"] = await cluster.Site.HostIdAsync(cluster.Plan.Hosts[0]),
                ["memory"] = (long)cluster.Plan.GuestMemoryMib << 20,
            });
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_cluster.Length == 0)
            return;
        await cluster.RepairAsync();
        foreach (var host in await cluster.Site.Client.ListAsync<HostDto>("hosts", CancellationToken.None))
        {
            if (host.Maintenance == "in")
                await cluster.Site.RunAsync("host.exit-maintenance", host.Id);
        }

        foreach (var vm in await cluster.Site.Client.ListAsync<VmDto>("vms", CancellationToken.None))
        {
            if (!Names.Contains(vm.Name))
                continue;
            if (vm.Power != "off")
                await cluster.Site.RunAsync("vm.power-off", vm.Id);
            await cluster.Site.RunAsync("vm.destroy", vm.Id);
        }

        if ((await cluster.Site.Client.ListAsync<RuleAnswerDto>($"clusters/{_cluster}/rules", CancellationToken.None)).Count > 0)
            await cluster.Site.RunAsync("cluster.remove-rule", _cluster, new JsonObject { ["name"] = Rule });
    }

    [Fact]
    public async Task MachinesThatAreToBeApartNeverMeet()
    {
        var vms = new JsonArray([.. await Task.WhenAll(Names.Select(async n => (JsonNode)(await cluster.Site.MachineAsync(n)).Id))]);
        await cluster.Site.RunAsync("cluster.create-rule", _cluster, new JsonObject { ["name"] = Rule, ["kind"] = "apart", ["vms"] = vms });

        // Both are registered on one host, and start on two.
        foreach (var name in Names)
            await cluster.Site.RunAsync("vm.power-on", (await cluster.Site.MachineAsync(name)).Id);
        var (left, right) = (await HostOfAsync("left"), await HostOfAsync("right"));
        Assert.NotEqual(left, right);

        var refused = await Assert.ThrowsAsync<LabException>(async () => await cluster.Site.RunAsync(
            "vm.migrate", (await cluster.Site.MachineAsync("left")).Id, new JsonObject { ["host"] = await cluster.Site.HostIdAsync(right) }));
        Assert.Contains($"rule '{Rule}'", refused.Message, StringComparison.Ordinal);

        // Everything leaves the host of one of them, and it does not go where the other is.
        var emptied = await cluster.Site.HostIdAsync(left);
        await cluster.Site.RunAsync("host.enter-maintenance", emptied);
        Assert.DoesNotContain(await HostOfAsync("left"), new[] { left, right });
        foreach (var name in Names)
        {
            var machine = await cluster.Site.MachineAsync(name);
            Assert.Equal("on", machine.Power);
            await Until.TrueAsync(() => cluster.HostsWithQemu(machine).Count == 1, Bound, () => $"one QEMU of {name} lives");
        }

        Assert.DoesNotContain(await cluster.Site.Client.ListAsync<VmDto>("vms", TestContext.Current.CancellationToken), v => v.Power == "on" && v.Host == emptied);
        await cluster.Site.RunAsync("host.exit-maintenance", emptied);
    }

    private async Task<string> HostOfAsync(string name) => await cluster.Site.HostNameOfAsync(await cluster.Site.MachineAsync(name));
}
