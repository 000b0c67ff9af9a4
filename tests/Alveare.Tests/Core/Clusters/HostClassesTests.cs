using Alveare.Core.Clusters;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Clusters;

/// <summary>Which hosts balancing may take for a machine at all.</summary>
public sealed class HostClassesTests
{
    [Fact]
    public async Task AHostThatLacksSomethingOfTheCpuThatTheGuestSeesIsNone()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        var id = await site.CreateAsync("a", on: true);
        Host[] hosts = [Knowing(1), Knowing(2), Knowing(3, "aes")];
        var classes = new HostClasses(site.Now, hosts, hosts.ToDictionary(h => h.Id, h => h.Name));
        // What it sees now counts, not what it would be started with.
        Assert.Equal(["h1", "h2"], classes.OnlyOn(site.Vm(id) with { CpuModel = "Westmere" }, hosts[0]));
        Assert.Empty(classes.OnlyOn(site.Vm(id), hosts[0]));

        // A disk elsewhere stays with its host while the machine runs.
        var spec = site.Vm(id).Spec!;
        var bound = site.Vm(id) with { Spec = spec with { Disks = [spec.Disks[0] with { File = "other/a.qcow2" }] } };
        Assert.Equal(["h1"], classes.OnlyOn(bound, hosts[0]));
        Assert.Empty(classes.StartsOn(bound, hosts[0])!.Value);
        Assert.Null(classes.StartsOn(site.Vm(id), hosts[0]));

        Host Knowing(int number, params string[] missing)
        {
            var host = site.Now.Get<Host>(site.Host(number));
            return host with { Facts = host.Facts! with { CpuModels = [new HostCpuModel("Westmere", [.. missing])] } };
        }
    }
}
