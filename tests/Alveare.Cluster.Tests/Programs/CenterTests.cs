using Alveare.Cluster.Tests.Cluster;
using Alveare.Lab.Programs;
using Xunit;

namespace Alveare.Cluster.Tests.Programs;

/// <summary>Centers that die. Hosts and machines do not care, and what was acknowledged stays.</summary>
[Collection(ClusterCollection.Name)]
public sealed class CenterTests(TestCluster cluster)
{
    [Fact]
    public async Task ARestartedCenterFindsOutWhatHappenedMeanwhile()
    {
        await cluster.MendAsync();
        var machine = await cluster.MachineAsync();
        var host = await cluster.HostOfMachineAsync();

        await cluster.Lab.Center.Process!.KillAsync(Until.Patience);
        Assert.True(await cluster.Client.EchoedAsync(90, Until.Patience), "The guest must run on while the center is dead.");
        await cluster.QemuOn(host, machine)!.KillAsync(Until.Patience);
        await cluster.Lab.EnsureCenterAsync();
        await cluster.LogInAgainAsync();

        await cluster.Site.HostsReadyAsync();
        await Until.TrueAsync(async () => (await cluster.MachineAsync()).Power == "off", () => "the center knows that the machine is off");
    }

    [Fact]
    public async Task AFolderThatWasAcknowledgedIsThereAfterTheCenterIsKilled()
    {
        await cluster.MendAsync();
        var name = $"folder-{Guid.NewGuid():N}";
        var made = await cluster.Site.RunAsync("datacenter.create-folder", cluster.Site.Datacenter, new() { ["name"] = name });

        await cluster.Lab.Center.Process!.KillAsync(Until.Patience);
        await cluster.Lab.EnsureCenterAsync();
        await cluster.LogInAgainAsync();

        Assert.Equal(made.Result, await cluster.Site.Client.IdOfAsync("folder", name, TestContext.Current.CancellationToken));
        Assert.Equal("succeeded", (await cluster.Site.TaskAsync(made.Id, 0)).State);
    }

    [Fact]
    public async Task AHostThatHasACenterRefusesAnother()
    {
        await cluster.MendAsync();
        var plan = cluster.Plan;
        var other = new LabProgram(plan, "center2", plan.Center, "Alveare.Center");
        var authority = Path.Combine(plan.State, "ca2.crt");
        try
        {
            await other.EnsureAsync(
                ["--state", other.State, "--listen", $"{plan.CenterAddress}:9443", "--ca-file", authority],
                new Dictionary<string, string> { ["ALVEARE_ADMIN_PASSWORD"] = cluster.Lab.Password });
            using var client = new Alveare.Cli.Client.RestClient(new Uri($"https://{plan.CenterAddress}:9443"), authority);
            await client.LogInAsync("admin", cluster.Lab.Password, TestContext.Current.CancellationToken);
            var datacenter = await client.RunAsync("site.create-datacenter", "", new() { ["name"] = "thief" }, TestContext.Current.CancellationToken);
            var ready = await cluster.Lab.Hosts[plan.Hosts[0]].ReadyAsync();

            var join = await client.RunAsync(
                "datacenter.join-host",
                datacenter.Result!,
                new()
                {
                    ["address"] = ready["address"], ["fingerprint"] = (await cluster.Site.HostAsync(plan.Hosts[0])).Fingerprint,
                    ["user"] = ready["user"], ["password"] = cluster.Lab.Password,
                },
                TestContext.Current.CancellationToken);

            Assert.Equal("failed", join.State);
            Assert.Equal("HostOwnedByAnotherCenter", join.Fault!.Fault, ignoreCase: true);
            Assert.Equal("connected", (await cluster.Site.HostAsync(plan.Hosts[0])).Connection);
        }
        finally
        {
            await other.StopAsync();
        }
    }
}
