using Alveare.Cluster.Tests.Cluster;
using Xunit;

namespace Alveare.Cluster.Tests.Migration;

/// <summary>Live migrations that nothing goes wrong with.</summary>
[Collection(ClusterCollection.Name)]
public sealed class MigrationTests(TestCluster cluster)
{
    [Fact]
    public async Task AMachineMovesOverAllHostsAndItsClientLosesNoByte()
    {
        await cluster.MendAsync();
        var machine = await cluster.MachineAsync();
        foreach (var _ in cluster.Plan.Hosts)
        {
            var from = await cluster.HostOfMachineAsync();
            var to = cluster.Plan.Hosts[(cluster.Plan.Hosts.ToList().IndexOf(from) + 1) % cluster.Plan.Hosts.Count];
            var move = new Move(cluster, machine, from, to);
            var ended = await move.EndedAsync(await move.StartAsync(0));
            Assert.True(ended.State == "succeeded", ended.Fault?.Message);
            Assert.Equal(to, await cluster.HostOfMachineAsync());
            Assert.Equal([to], cluster.HostsWithQemu(machine));
            Assert.True(await cluster.Client.EchoedAsync(90, Until.Patience), cluster.Client.Broken);
        }

        Assert.Equal(0, cluster.Client.Wrong);
    }

    [Fact]
    public async Task ACancelledMigrationLeavesTheMachineWhereItIs()
    {
        await cluster.MendAsync();
        var machine = await cluster.MachineAsync();
        var source = await cluster.HostOfMachineAsync();
        var target = cluster.Plan.Hosts.First(h => h != source);
        var move = new Move(cluster, machine, source, target);
        var task = await move.StartAsync(4_000_000);
        await move.ReachAsync(task, Moment.Transfer);

        await cluster.Site.Client.CancelAsync(task.Id, TestContext.Current.CancellationToken);

        Assert.Equal("cancelled", (await move.EndedAsync(task)).State);
        var settled = await cluster.SettledAsync();
        Assert.Equal(machine.Host, settled.Host);
        Assert.Equal("on", settled.Power);
        await Until.TrueAsync(() => cluster.HostsWithQemu(machine).SequenceEqual([source]), () => "only the source has a QEMU");
        await move.AssertGuestWentOnAsync(settled);
    }
}
