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

        await cluster.Lab.Hosts[host].Process!.KillAsync(TimeSpan.FromSeconds(10));
        Assert.True(await cluster.Client.EchoedAsync(90, TimeSpan.FromSeconds(30)), "The guest must run on while its agent is dead.");
        await cluster.Lab.EnsureHostAsync(host);

        await cluster.Site.HostsReadyAsync();
        var adopted = await cluster.SettledAsync();
        Assert.Equal(("on", machine.Host, machine.StartedAt), (adopted.Power, adopted.Host, adopted.StartedAt));
        Assert.Equal(qemu, cluster.QemuOn(host, machine));
        Assert.True(await cluster.Client.EchoedAsync(90, TimeSpan.FromSeconds(30)), cluster.Client.Broken);
        Assert.Equal(0, cluster.Client.Wrong);
    }

    [Fact]
    public async Task AQemuThatDiesWhileItsAgentIsDeadIsFoundOffWithItsCause()
    {
        await cluster.MendAsync();
        var machine = await cluster.MachineAsync();
        var host = await cluster.HostOfMachineAsync();

        await cluster.Lab.Hosts[host].Process!.KillAsync(TimeSpan.FromSeconds(10));
        await cluster.QemuOn(host, machine)!.KillAsync(TimeSpan.FromSeconds(10));
        await cluster.Lab.EnsureHostAsync(host);

        await cluster.Site.HostsReadyAsync();
        await Until.TrueAsync(async () => (await cluster.MachineAsync()).Power == "off", TimeSpan.FromSeconds(30), () => "the machine is off");
        Assert.Null(cluster.LockOwner());
        await Until.TrueAsync(
            async () => (await cluster.Lab.Network.TapsAsync(host)).Count == 0, TimeSpan.FromSeconds(30), () => "its tap is gone");
    }
}
