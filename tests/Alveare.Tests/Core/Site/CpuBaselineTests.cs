using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Planning.Placement;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Site;

/// <summary>A cluster's CPU baseline and what it does to its hosts and machines.</summary>
public sealed class CpuBaselineTests
{
    [Fact]
    public async Task AMachineStartsWithTheBaselineAndKeepsItWhileItRuns()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        Assert.Equal(CpuBaselines.Default, site.Vm(id).CpuModel);
        await site.SucceedAsync(new PowerOff { Target = id });
        Assert.Null(site.Vm(id).CpuModel);

        await site.SucceedAsync(new SetCpuBaseline { Target = site.Cluster, Baseline = "x86-64-v1" });
        await site.SucceedAsync(new PowerOn { Target = id });
        Assert.Equal("x86-64-v1", site.Vm(id).CpuModel);
        await site.SucceedAsync(new SetCpuBaseline { Target = site.Cluster });
        await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal("x86-64-v1", site.Vm(id).CpuModel);
    }

    [Fact]
    public async Task ABaselineThatAHostCannotGiveIsRefusedWithWhatIsMissing()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, cpuLevel: "x86-64-v3");
        var fault = await site.FailAsync<HostBelowBaseline>(new SetCpuBaseline { Target = site.Cluster, Baseline = "x86-64-v3" });
        Assert.Equal("h2", fault.HostName);
        Assert.Contains("avx2", fault.Missing);
        Assert.Null(site.Now.Get<Cluster>(site.Cluster).CpuBaseline);
        await site.FailAsync<InvalidArgument>(new SetCpuBaseline { Target = site.Cluster, Baseline = "Z80" });
    }

    [Fact]
    public async Task AHostBelowTheBaselineIsNotLetIntoTheCluster()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2, cpuLevel: "x86-64-v3");
        await site.SucceedAsync(new Move { Target = Alveare.Model.EntityId.Root, Object = site.Host(2), Into = site.Datacenter });
        await site.SucceedAsync(new SetCpuBaseline { Target = site.Cluster, Baseline = "x86-64-v3" });
        var fault = await site.FailAsync<HostBelowBaseline>(new Move { Target = Alveare.Model.EntityId.Root, Object = site.Host(2), Into = site.Cluster });
        Assert.Equal(("h2", "x86-64-v3"), (fault.HostName, fault.Baseline));
        Assert.Equal(site.Datacenter, site.Now.Find(site.Host(2))!.Parent);
    }

    [Fact]
    public async Task ALowerBaselineWaitsForTheMachinesThatRunWithMore()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        var fault = await site.FailAsync<MachinesAboveBaseline>(new SetCpuBaseline { Target = site.Cluster, Baseline = "x86-64-v1" });
        Assert.Equal(["web01"], fault.Machines);
        await site.SucceedAsync(new PowerOff { Target = id });
        await site.SucceedAsync(new SetCpuBaseline { Target = site.Cluster, Baseline = "x86-64-v1" });
    }

    [Fact]
    public async Task AHostWhoseMachinesRunWithMoreIsNotLetIntoTheCluster()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("web01", on: true);
        await site.SucceedAsync(new Move { Target = Alveare.Model.EntityId.Root, Object = site.Host(1), Into = site.Datacenter });
        await site.SucceedAsync(new SetCpuBaseline { Target = site.Cluster, Baseline = "x86-64-v1" });
        var back = new Move { Target = Alveare.Model.EntityId.Root, Object = site.Host(1), Into = site.Cluster };
        Assert.Equal(["web01"], (await site.FailAsync<MachinesAboveBaseline>(back)).Machines);
        await site.SucceedAsync(new PowerOff { Target = id });
        await site.SucceedAsync(back);
    }

    [Fact]
    public async Task AMachineWithMoreThanAHostHasIsNotMovedThere()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3, cpuLevel: "x86-64-v3");
        await site.SucceedAsync(new Move { Target = Alveare.Model.EntityId.Root, Object = site.Host(3), Into = site.Datacenter });
        await site.SucceedAsync(new SetCpuBaseline { Target = site.Cluster, Baseline = "x86-64-v3" });
        var id = await site.CreateAsync("web01", on: true);
        Assert.Equal("x86-64-v3", site.Vm(id).CpuModel);
        var fault = await site.FailAsync<CpuIncompatible>(new MigrateVm { Target = id, Host = site.Host(3) });
        Assert.Contains("avx2", fault.Missing);
        await site.SucceedAsync(new MigrateVm { Target = id, Host = site.Host(2) });
    }

    [Fact]
    public async Task AMachineWithMoreThanTheBaselineOfAnotherClusterIsNotMovedThere()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        var other = (await site.SucceedAsync(new CreateCluster { Target = site.Datacenter, Name = "other" })).Result!.Value;
        await site.SucceedAsync(new Move { Target = Alveare.Model.EntityId.Root, Object = site.Host(2), Into = other });
        var id = await site.CreateAsync("web01", on: true);
        await site.SucceedAsync(new SetCpuBaseline { Target = other, Baseline = "x86-64-v1" });
        var fault = await site.FailAsync<MachinesAboveBaseline>(new MigrateVm { Target = id, Host = site.Host(2) });
        Assert.Equal(("other", "web01"), (fault.Cluster, Assert.Single(fault.Machines)));
        await site.SucceedAsync(new SetCpuBaseline { Target = other, Baseline = null });
        await site.SucceedAsync(new MigrateVm { Target = id, Host = site.Host(2) });
    }

    [Fact]
    public async Task AMachineOutsideOfAnyClusterAsksEachHostTheBaselineOfItsOwn()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        foreach (var number in (int[])[1, 3])
            await site.SucceedAsync(new Move { Target = Alveare.Model.EntityId.Root, Object = site.Host(number), Into = site.Datacenter });
        await site.SucceedAsync(new SetCpuBaseline { Target = site.Cluster, Baseline = "x86-64-v1" });
        // The host of the cluster would be chosen for its room.
        await site.CreateAsync("other", host: 3, on: true);
        var id = await site.CreateAsync("web01", on: true);
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(1) });
        Assert.Equal(site.Host(3), site.Vm(id).Host);
        await site.SucceedAsync(new ExitMaintenance { Target = site.Host(1) });
        await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal(site.Host(1), site.Vm(id).Host);

        // A cluster that it may not enter is in the way of no other.
        var last = (await site.SucceedAsync(new CreateCluster { Target = site.Datacenter, Name = "last" })).Result!.Value;
        await site.SucceedAsync(new Move { Target = Alveare.Model.EntityId.Root, Object = site.Host(3), Into = last });
        await site.SucceedAsync(new SetCpuBaseline { Target = site.Cluster, Baseline = null });
        await site.SucceedAsync(new MigrateVm { Target = site.Vm("other").Id, Host = site.Host(2) });
        await site.SucceedAsync(new SetCpuBaseline { Target = last, Baseline = "x86-64-v1" });
        await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal(site.Host(2), site.Vm(id).Host);
    }
}
