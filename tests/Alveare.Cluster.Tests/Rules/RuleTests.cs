using System.Text.Json.Nodes;
using Alveare.Cluster.Tests.Cluster;
using Alveare.Lab;
using Alveare.Lab.Site;
using Alveare.Wire.Rest;
using Xunit;

namespace Alveare.Cluster.Tests.Rules;

/// <summary>Two real guests beside the cluster's machine. A rule keeps them apart: at their start, at a move by hand, and when the host of one is emptied. And where
/// promises of CPU leave no host room for a machine that is to leave its own, another makes room.</summary>
[Collection(ClusterCollection.Name)]
public sealed class RuleTests(TestCluster cluster) : IAsyncLifetime
{
    private const string Rule = "apart";

    private static readonly string[] Names = ["left", "right"];

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
        if ((await cluster.Site.Client.ListAsync<RuleAnswerDto>($"clusters/{_cluster}/rules", CancellationToken.None)).Count > 0)
            await cluster.Site.RunAsync("cluster.remove-rule", _cluster, new JsonObject { ["name"] = Rule });
        foreach (var host in await cluster.Site.Client.ListAsync<HostDto>("hosts", CancellationToken.None))
        {
            if (host.Maintenance == "in")
                await cluster.Site.RunAsync("host.exit-maintenance", host.Id);
        }

        foreach (var vm in await cluster.Site.Client.ListAsync<VmDto>("vms", CancellationToken.None))
        {
            if (!Names.Contains(vm.Name))
                continue;
            await cluster.FreeAsync(vm.Name);
            await cluster.Site.RunAsync("vm.destroy", vm.Id, new JsonObject { ["powerOff"] = true });
        }

        await PromiseAsync(await cluster.SettledAsync(), 0);
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
            await Until.TrueAsync(() => cluster.HostsWithQemu(machine).Count == 1, () => $"one QEMU of {name} lives");
        }

        Assert.DoesNotContain(await cluster.Site.Client.ListAsync<VmDto>("vms", TestContext.Current.CancellationToken), v => v.Power == "on" && v.Host == emptied);
        await cluster.Site.RunAsync("host.exit-maintenance", emptied);
    }

    [Fact]
    public async Task AMachineThatFitsNowhereLeavesOnceAnotherHasMadeRoom()
    {
        var leaving = await cluster.MachineAsync();
        var emptied = await HostOfAsync(leaving.Name);
        string[] others = [.. cluster.Plan.Hosts.Where(h => h != emptied)];
        var (left, right) = (await StartAsync("left", others[0]), await StartAsync("right", others[1]));
        // In percent of a host's CPU: beside neither of the others there is room for 60, but beside the one for the other.
        await PromiseAsync(left, 50);
        await PromiseAsync(right, 45);
        await PromiseAsync(leaving, 60);
        foreach (var host in others)
        {
            var refused = await Assert.ThrowsAsync<LabException>(async () => await cluster.Site.RunAsync(
                "vm.migrate", leaving.Id, new JsonObject { ["host"] = await cluster.Site.HostIdAsync(host) }));
            Assert.Contains("that are promised to nobody", refused.Message, StringComparison.Ordinal);
        }

        // Either of the two could make room, but one is moved by an administrator alone.
        var own = new JsonArray(new JsonObject { ["vm"] = left.Id, ["mode"] = "manual" });
        await cluster.Site.RunAsync("cluster.set-balancing", _cluster, new JsonObject { ["overrides"] = own });
        var entering = await cluster.Site.RunAsync("host.enter-maintenance", await cluster.Site.HostIdAsync(emptied));

        Assert.Equal(
            (others[0], others[0], others[1]), (await HostOfAsync("left"), await HostOfAsync("right"), await HostOfAsync(leaving.Name)));
        foreach (var machine in new[] { left, right, leaving })
        {
            Assert.Equal("on", (await cluster.Site.MachineAsync(machine.Name)).Power);
            await Until.TrueAsync(() => cluster.HostsWithQemu(machine).Count == 1, () => $"one QEMU of {machine.Name} lives");
        }

        Assert.True(await cluster.Client.EchoedAsync(90, Until.Patience), "the connection to the machine that has left goes on");
        var moves = await MovesSinceAsync(entering, left, right, leaving);
        Assert.Equal(["right", leaving.Name], moves.Select(m => m.TargetName));
        Assert.True(moves[0].EndedAt <= moves[1].StartedAt, "no host was promised more than it has");
        Assert.Contains($"so that '{leaving.Name}' can leave host '{emptied}'", moves[0].Reason, StringComparison.Ordinal);
        Assert.Contains($"it leaves host '{emptied}'", moves[1].Reason, StringComparison.Ordinal);
        var plan = Assert.Single(await cluster.Site.Client.ListAsync<EventDto>("events?kind=host.evacuation-plan&limit=1", TestContext.Current.CancellationToken));
        Assert.Contains(
            $"'right' to {others[0]} to make room for '{leaving.Name}', '{leaving.Name}' to {others[1]}", plan.Message, StringComparison.Ordinal);
    }

    private async Task<VmDto> StartAsync(string name, string host)
    {
        var machine = await cluster.Site.MachineAsync(name);
        await cluster.Site.RunAsync("vm.power-on", machine.Id, new JsonObject { ["host"] = await cluster.Site.HostIdAsync(host) });
        return machine;
    }

    private async Task PromiseAsync(VmDto machine, int percent)
    {
        var facts = (await cluster.Site.HostAsync(cluster.Plan.Hosts[0])).Facts!;
        await cluster.Site.RunAsync(
            "vm.set-resources", machine.Id, new JsonObject { ["cpuReservation"] = facts.CpuThreads * facts.CpuClock * percent / 100 });
    }

    // The template goes too where it is registered on the host.
    private async Task<IReadOnlyList<TaskDto>> MovesSinceAsync(TaskDto entering, params VmDto[] machines) =>
    [
        .. (await cluster.Site.Client.ListAsync<TaskDto>("tasks", TestContext.Current.CancellationToken))
            .Where(t => t.Operation == "vm.migrate" && t.QueuedAt >= entering.QueuedAt && machines.Any(m => m.Name == t.TargetName))
            .OrderBy(t => t.QueuedAt),
    ];

    private async Task<string> HostOfAsync(string name) => await cluster.Site.HostNameOfAsync(await cluster.Site.MachineAsync(name));
}
