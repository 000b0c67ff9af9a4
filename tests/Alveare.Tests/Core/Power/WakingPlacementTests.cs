using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Scheduling;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Power;

/// <summary>Machines that are powered on while the hosts that could run them sleep.</summary>
public sealed class WakingPlacementTests
{
    private static readonly Bytes HostMemory = Bytes.FromGib(16);

    /// <summary>Of one machine: no two of them fit on a host.</summary>
    private static readonly Bytes Large = Bytes.FromGib(9);

    [Theory]
    [InlineData(PowerSavingMode.Manual)]
    [InlineData(PowerSavingMode.Automatic)]
    public void OneHostIsWokenForAMachineThatFindsNoRoom(PowerSavingMode mode) => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, mode);
        var vm = await site.CreateAsync("b", memory: Large);
        var task = await site.SubmitAsync(new PowerOn { Target = vm });
        await site.UntilTaskAsync(task, t => t.Step == "Waking host 'h2'", "it says which host it wakes");
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        Assert.Equal((PowerState.On, site.Host(2)), (site.Vm(vm).Power, site.Vm(vm).Host!.Value));
        Assert.Equal([HostStandby.None, HostStandby.None, HostStandby.In], Standby(site));
        var wake = Assert.Single(site.Engine.Tasks.List(), t => t.Operation == "host.exit-standby");
        Assert.Equal(("anna", "virtual machine 'b' finds no room on the hosts that are on"), (wake.User, wake.Reason));
    });

    [Fact]
    public void WherePowerSavingIsOffTheRefusalNamesThoseThatSleep() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Off);
        var vm = await site.CreateAsync("b", memory: Large);
        var refusal = await site.FailAsync<NoHostFits>(new PowerOn { Target = vm });
        Assert.Equal(["h1", "h2", "h3"], refusal.Refusals.Select(r => r.HostName).Order());
        Assert.All(refusal.Refusals.Where(r => r.HostName != "h1"), r => Assert.Contains("it is in standby", r.Reason));
        Assert.DoesNotContain(site.Hosts.Sent, s => s.Command is SendWakePacket);
    });

    [Fact]
    public void AMachineThatNoneOfThemWouldTakeWakesNone() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        var vm = await site.CreateAsync("b", memory: Bytes.FromGib(32));
        await site.FailAsync<NoHostFits>(new PowerOn { Target = vm });
        Assert.DoesNotContain(site.Hosts.Sent, s => s.Command is SendWakePacket);
    });

    [Fact]
    public void WhenOneDoesNotWakeItIsTheNextOnesTurnAndTheRefusalSaysWhichDidNot() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        site.Simulation.Power.Broken.Add(site.Host(2));
        var (b, c) = (await site.CreateAsync("b", memory: Large), await site.CreateAsync("c", memory: Large));
        await site.SucceedAsync(new PowerOn { Target = b });
        Assert.Equal(site.Host(3), site.Vm(b).Host);
        // A host that did not wake is not counted on until it answers.
        var refusal = await site.FailAsync<NoHostFits>(new PowerOn { Target = c });
        Assert.Contains("waking it has failed 3 times in a row", Assert.Single(refusal.Refusals, r => r.HostName == "h2").Reason);
    });

    [Fact]
    public void TwoThatFitOneHostWakeOne() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        var small = Bytes.FromGib(7);
        EntityId[] vms = [await site.CreateAsync("b", memory: small), await site.CreateAsync("c", memory: small)];
        var tasks = await Task.WhenAll(vms.Select(v => site.SubmitAsync(new PowerOn { Target = v })));
        foreach (var task in tasks)
            Assert.Equal(TaskState.Succeeded, (await site.EndAsync(task)).State);
        Assert.Equal([HostStandby.None, HostStandby.None, HostStandby.In], Standby(site));
    });

    [Fact]
    public void PoweringAClusterOnWakesAsManyAsItTakes() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        EntityId[] vms = [await site.CreateAsync("b", memory: Large), await site.CreateAsync("c", memory: Large)];
        await site.SucceedAsync(new PowerOnVms { Target = site.Cluster });
        Assert.All(vms, v => Assert.Equal(PowerState.On, site.Vm(v).Power));
        Assert.All(Standby(site), s => Assert.Equal(HostStandby.None, s));
    });

    [Fact]
    public void ADeployedMachineThatIsToRunWakesOneAndOneThatStaysOffDoesNot() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        var source = await site.CreateAsync("source", memory: Large);
        await site.SucceedAsync(new CloneVm { Target = source, Name = "off", Kind = CloneKind.Full, Location = site.Cluster });
        Assert.Equal([HostStandby.None, HostStandby.In, HostStandby.In], Standby(site));
        await site.SucceedAsync(new CloneVm { Target = source, Name = "on", Kind = CloneKind.Full, Location = site.Cluster, PowerOn = true });
        Assert.Equal((PowerState.On, site.Host(2)), (site.Vm("on").Power, site.Vm("on").Host!.Value));
    });

    [Fact]
    public void WaitingForAHostCanBeCancelled() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, PowerSavingMode.Automatic);
        site.Simulation.Power.Broken.Add(site.Host(2));
        var vm = await site.CreateAsync("b", memory: Large);
        var task = await site.SubmitAsync(new PowerOn { Target = vm });
        await site.UntilAsync(now => now.Get<Host>(site.Host(2)).Standby == HostStandby.Exiting, "it is being woken");
        site.Cancel(task);
        Assert.Equal(TaskState.Cancelled, (await site.EndAsync(task)).State);
        Assert.Equal([HostStandby.None, HostStandby.In, HostStandby.In], Standby(site));
        Assert.Equal(PowerState.Off, site.Vm(vm).Power);
    });

    private static IEnumerable<HostStandby> Standby(MachineSite site) => Enumerable.Range(1, 3).Select(n => site.Now.Get<Host>(site.Host(n)).Standby);

    /// <summary>Three hosts, the second and the third of which sleep, and a machine on the first that leaves no room there for a large one.</summary>
    private static async Task<MachineSite> OpenAsync(Scheduler scheduler, PowerSavingMode mode)
    {
        var site = await MachineSite.OpenAsync(scheduler, hosts: 3, memory: HostMemory);
        await site.CreateAsync("a", host: 1, on: true, memory: Bytes.FromGib(10));
        await site.SucceedAsync(new SetPowerSaving { Target = site.Cluster, Mode = mode, StandbyAfter = TimeSpan.FromHours(24) });
        for (var number = 2; number <= 3; number++)
        {
            await site.SucceedAsync(new SetHostPower { Target = site.Host(number), WakeOnLan = new(site.Simulation.Hosts[number - 1].Card) });
            await site.SucceedAsync(new EnterStandby { Target = site.Host(number) });
        }

        await site.UntilAsync(now => now.OfType<Host>().Count(h => h.Connection == HostConnection.Standby) == 2, "two sleep");
        return site;
    }
}
