using Alveare.Cluster.Tests.Cluster;
using Alveare.Lab;
using Alveare.Lab.Layout;
using Xunit;

namespace Alveare.Cluster.Tests.Lab;

/// <summary>The end of a lab whose every program was killed, beside another lab.</summary>
[Collection(ClusterCollection.Name)]
public sealed class LabEndTests(TestCluster cluster) : IAsyncDisposable
{
    private readonly LabPlan _plan = new()
    {
        Name = "ale", State = Directory.CreateTempSubdirectory("ale-").FullName, Management = "198.18.10", Uplink = "198.18.11", Hosts = ["h1"],
    };

    public async ValueTask DisposeAsync()
    {
        await new LabEnd(_plan).RemoveAsync();
        if (LabClaim.OwnerOf(_plan) is not null)
            Release(_plan);
    }

    [Fact]
    public async Task OfALabWhoseProgramsWereKilledNothingStaysAndOfAnotherEverything()
    {
        await cluster.MendAsync();
        await RemoveLeftoversAsync();
        var others = cluster.Lab.Programs.Select(p => p.Process!).Append(cluster.QemuOn(await cluster.HostOfMachineAsync(), await cluster.MachineAsync())!).ToArray();
        var traces = new Traces(_plan);
        // Its directory is there since the plan was made.
        Assert.Equal([_plan.State], traces.Look().SelectMany(kind => kind.Value));

        await StartAsync();
        // What will be looked for is found while it is there.
        Assert.DoesNotContain(traces.Look(), kind => kind.Value.Count == 0);
        foreach (var program in new LabInstance(_plan).Programs)
            await program.Process!.KillAsync(Until.Patience);
        await new LabEnd(_plan).RemoveAsync();
        Release(_plan);

        Assert.Empty(traces.Look().SelectMany(kind => kind.Value));
        Assert.All(others, process => Assert.True(process.IsAlive));
        Assert.True(await cluster.Client.EchoedAsync(90, Until.Patience), cluster.Client.Broken);
    }

    /// <summary>Builds the lab with a machine that runs.</summary>
    private async Task StartAsync()
    {
        using var claim = LabClaim.Take(_plan);
        var lab = new LabInstance(_plan);
        await lab.PrepareAsync();
        await lab.EnsureProgramsAsync();
        using var site = await lab.LogInAsync();
        await site.EnsureDatacenterAsync();
        await site.EnsureHostAsync(_plan.Hosts[0]);
        await site.EnsureStorageAndNetworkAsync();
        await site.HostsReadyAsync();
        await TickingMachine.StartAsync(_plan, site, "tick", _plan.Hosts[0], networked: true);
        await Until.TrueAsync(() => TickingMachine.CountOf(_plan, "tick") > 0, () => "the guest runs");
    }

    // Of a run that was itself killed.
    private async Task RemoveLeftoversAsync()
    {
        if (LabClaim.OwnerOf(_plan) is not { } owner)
            return;
        var left = _plan with { State = owner };
        await new LabEnd(left).RemoveAsync();
        Release(left);
    }

    private static void Release(LabPlan plan)
    {
        using var claim = LabClaim.Take(plan);
        claim.Release();
    }
}
