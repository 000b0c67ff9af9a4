using Alveare.Cluster.Tests.Cluster;
using Alveare.Lab.Programs;
using Xunit;

namespace Alveare.Cluster.Tests.Hosts;

/// <summary>Hosts that the center cannot reach, or must not believe.</summary>
[Collection(ClusterCollection.Name)]
public sealed class ConnectionTests(TestCluster cluster)
{
    [Fact]
    public async Task AHostThatIsCutOffDoesNotRespondAndItsMachineIsStaleUntilItIsBack()
    {
        await cluster.MendAsync();
        var host = await cluster.HostOfMachineAsync();

        await cluster.Lab.Network.CutManagementAsync(host, cut: true);
        await Until.TrueAsync(async () => (await cluster.Site.HostAsync(host)).Connection == "not-responding", () => $"{host} does not respond");
        Assert.NotNull((await cluster.Site.HostAsync(host)).Problem);
        await Until.TrueAsync(async () => (await cluster.MachineAsync()).IsStale, () => "what is known of the machine is old");
        Assert.True(await cluster.Client.EchoedAsync(90, Until.Patience), "The guest must not notice.");

        await cluster.Lab.Network.CutManagementAsync(host, cut: false);
        await Until.TrueAsync(async () => (await cluster.Site.HostAsync(host)).Connection == "connected", () => $"{host} is connected again");
        var back = await cluster.SettledAsync();
        Assert.Equal("on", back.Power);
        Assert.Null((await cluster.Site.HostAsync(host)).Problem);
    }

    [Fact]
    public async Task AnAgentWithAnotherCertificateAtAHostsAddressIsNotBelieved()
    {
        await cluster.MendAsync();
        var at = await cluster.HostOfMachineAsync();
        var host = cluster.Plan.Hosts.First(h => h != at);
        await cluster.Lab.Hosts[host].StopAsync();
        var impostor = new LabProgram(cluster.Plan, "impostor", cluster.Plan.NamespaceOf(host), "Alveare.Host");
        try
        {
            await impostor.EnsureAsync(
                ["--state", impostor.State, "--run", cluster.Plan.RunOf("impostor"), "--listen", (await cluster.Site.HostAsync(host)).Address, "--name", host],
                new Dictionary<string, string>());
            var problem = "";
            await Until.TrueAsync(
                async () => await cluster.Site.HostAsync(host) is { Connection: not "connected" } now
                    && (problem = now.Problem ?? "").Contains("certificate", StringComparison.OrdinalIgnoreCase),
                () => $"the center says that the certificate of {host} is another one: it says '{problem}'");
        }
        finally
        {
            await impostor.StopAsync();
        }

        await cluster.Lab.EnsureHostAsync(host);
        await Until.TrueAsync(async () => (await cluster.Site.HostAsync(host)).Connection == "connected", () => $"{host} is believed again");
    }
}
