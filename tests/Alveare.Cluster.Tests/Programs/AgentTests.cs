using Alveare.Cluster.Tests.Cluster;
using Xunit;

namespace Alveare.Cluster.Tests.Programs;

/// <summary>Agents that die. Machines outlive them.</summary>
[Collection(ClusterCollection.Name)]
public sealed class AgentTests(TestCluster cluster)
{
    [Fact]
    public async Task AKilledAgentAdoptsItsMachineAndNobodyInsideNotices()
    {
        await cluster.MendAsync();
        var machine = await cluster.MachineAsync();
        var host = await cluster.HostOfMachineAsync();
        var qemu = cluster.QemuOn(host, machine);
        cluster.Client.RestartGap();

        await cluster.Lab.Hosts[host].Process!.KillAsync(Until.Patience);
        Assert.True(await cluster.Client.EchoedAsync(90, Until.Patience), "The guest must run on while its agent is dead.");
        await cluster.Lab.EnsureHostAsync(host);

        await cluster.Site.HostsReadyAsync();
        var adopted = await cluster.SettledAsync();
        Assert.Equal(("on", machine.Host, machine.StartedAt), (adopted.Power, adopted.Host, adopted.StartedAt));
        Assert.Equal(qemu, cluster.QemuOn(host, machine));
        Assert.True(await cluster.Client.EchoedAsync(90, Until.Patience), cluster.Client.Broken);
        Assert.Equal(0, cluster.Client.Wrong);
    }

    [Fact]
    public async Task AQemuThatDiesWhileItsAgentIsDeadIsFoundOffWithItsCause()
    {
        await cluster.MendAsync();
        var machine = await cluster.MachineAsync();
        var host = await cluster.HostOfMachineAsync();

        await cluster.Lab.Hosts[host].Process!.KillAsync(Until.Patience);
        await cluster.QemuOn(host, machine)!.KillAsync(Until.Patience);
        await cluster.Lab.EnsureHostAsync(host);

        await cluster.Site.HostsReadyAsync();
        await Until.TrueAsync(async () => (await cluster.MachineAsync()).Power == "off", () => "the machine is off");
        Assert.Null(cluster.LockOwner());
        await Until.TrueAsync(
            async () => (await cluster.Lab.Network.TapsAsync(host)).Count == 0, () => "its tap is gone");
    }
}
