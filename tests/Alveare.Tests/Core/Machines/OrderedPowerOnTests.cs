using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>Many machines that start in the order of rules.</summary>
public sealed class OrderedPowerOnTests
{
    [Fact]
    public async Task MachinesStartStepByStep()
    {
        await using var site = await MachineSite.OpenAsync();
        // Made in the order in which they must not start.
        EntityId front = await site.CreateAsync("front"), app = await site.CreateAsync("app"), database = await site.CreateAsync("db"), other = await site.CreateAsync("other");
        await OrderAsync(site, "fronts", front, "apps", app, isMust: true);
        await OrderAsync(site, "apps", app, "dbs", database, isMust: false);
        await site.SucceedAsync(new PowerOnVms { Target = site.Cluster });
        Assert.All([front, app, database, other], v => Assert.Equal(PowerState.On, site.Vm(v).Power));
        var started = site.Engine.Tasks.List().Where(t => t.Operation == "vm.power-on").ToDictionary(t => t.Target);
        Assert.True(started[database].EndedAt <= started[app].QueuedAt && started[app].EndedAt <= started[front].QueuedAt);
        Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind == "rule.started-early");
        // Those that are on already are left alone.
        await site.SucceedAsync(new PowerOnVms { Target = site.Cluster, Vms = [front, app] });
        Assert.Equal(4, site.Engine.Tasks.List().Count(t => t.Operation == "vm.power-on"));
    }

    [Fact]
    public async Task AMachineThatDoesNotStartKeepsThoseThatMustWaitForItOff()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 1, memory: Bytes.FromGib(2));
        EntityId front = await site.CreateAsync("front"), database = await site.CreateAsync("db", memory: Bytes.FromGib(4)), other = await site.CreateAsync("other");
        await OrderAsync(site, "fronts", front, "dbs", database, isMust: true);
        var fault = await site.FailAsync<MachinesNotStarted>(new PowerOnVms { Target = site.Cluster });
        Assert.Equal(2, fault.Machines.Length);
        Assert.Contains(fault.Machines, m => m.StartsWith("'front'", StringComparison.Ordinal) && m.Contains("rule 'fronts'", StringComparison.Ordinal));
        Assert.Equal((PowerState.Off, PowerState.Off, PowerState.On), (site.Vm(front).Power, site.Vm(database).Power, site.Vm(other).Power));
        await site.FailAsync<NotFound>(new PowerOnVms { Target = site.Cluster, Vms = [EntityId.Vm(Guid.Empty)] });
        await site.FailAsync<InvalidArgument>(new PowerOnVms { Target = site.Cluster, GuestWait = TimeSpan.FromHours(2) });
    }

    [Fact]
    public async Task CancellingStartsNoFurtherStep()
    {
        await using var site = await MachineSite.OpenAsync();
        EntityId front = await site.CreateAsync("front"), database = await site.CreateAsync("db");
        await OrderAsync(site, "fronts", front, "dbs", database, isMust: true);
        var held = site.Hosts.Hold<StartMachine>();
        var starting = await site.SubmitAsync(new PowerOnVms { Target = site.Cluster });
        await held.ArrivedAsync();
        site.Cancel(starting);
        held.Release();
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(starting)).State);
        Assert.Equal((PowerState.Off, PowerState.On), (site.Vm(front).Power, site.Vm(database).Power));
    }

    private static async Task OrderAsync(MachineSite site, string rule, EntityId vm, string group, EntityId first, bool isMust)
    {
        await site.SucceedAsync(new SetVmGroup { Target = site.Cluster, Name = group, Vms = [first] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = rule, Kind = ClusterRuleKind.StartAfter, Vms = [vm], AfterGroup = group, IsPreference = !isMust });
    }
}
