using Alveare.Core.Power;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Sites;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Power;

/// <summary>Hosts that are powered down and woken.</summary>
public sealed class StandbyTests
{
    [Fact]
    public void ItsMachinesLeaveItPowersDownWithoutAFailureAndNoneComesUntilItIsWoken() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        var vm = await site.CreateAsync("a", host: 1, on: true);
        await site.SucceedAsync(new EnterStandby { Target = site.Host(1) });
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Connection == HostConnection.Standby, "the host sleeps");
        var asleep = site.Now.Get<Host>(site.Host(1));
        Assert.Equal((HostStandby.In, null, false), (asleep.Standby, asleep.Problem, site.Simulation.Hosts[0].IsUp));
        Assert.Equal((site.Host(2), PowerState.On), (site.Vm(vm).Host!.Value, site.Vm(vm).Power));
        Assert.DoesNotContain(site.Engine.Events.Since(0), e => e.Kind is "host.lost" or "host.not-responding");
        Assert.Contains("standby", (await site.FailAsync<HostNotConnected>(new MigrateVm { Target = vm, Host = site.Host(1) })).Message);
        await site.FailAsync<InvalidState>(new EnterStandby { Target = site.Host(1) });
        await site.FailAsync<InvalidState>(new EnterMaintenance { Target = site.Host(1) });

        await site.SucceedAsync(new ExitStandby { Target = site.Host(1) });
        Assert.Equal((HostStandby.None, HostConnection.Connected), (site.Now.Get<Host>(site.Host(1)).Standby, site.Now.Get<Host>(site.Host(1)).Connection));
        Assert.Contains(site.Engine.Events.Since(0), e => e.Kind == "host.woke");
        await site.FailAsync<InvalidState>(new ExitStandby { Target = site.Host(1) });
        await site.SucceedAsync(new MigrateVm { Target = vm, Host = site.Host(1) });
    });

    [Fact]
    public void ARuleAllowsAHostThatSleepsInTheClusterAsItIsRead() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        var vm = await site.CreateAsync("a", host: 2, on: true);
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "good", Hosts = [site.Host(1), site.Host(2)] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "on", Kind = ClusterRuleKind.OnHosts, Vms = [vm], HostGroup = "good" });
        await site.SucceedAsync(new EnterStandby { Target = site.Host(1) });
        for (var sample = 0; sample < 3; sample++)
        {
            await Task.Delay(TimeSpan.FromSeconds(20), site.Simulation.World.Time);
            foreach (var host in site.Simulation.Hosts)
                host.Agent?.RaiseStatistics();
        }

        var read = site.Engine.Balancing.Read(site.Cluster).Snapshot;
        Assert.Equal("h1", Assert.Single(read.Asleep).Id);
        Assert.Equal(["h1", "h2"], Assert.Single(read.Rules).Hosts.Order());
    });

    [Fact]
    public void ABaseboardControllerPowersItDownAndUp() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, isByController: true);
        await site.SucceedAsync(new EnterStandby { Target = site.Host(1) });
        Assert.False(site.Simulation.Hosts[0].IsUp);
        Assert.DoesNotContain(site.Hosts.Sent, s => s.Command is SendWakePacket);
        // What the center knows after a restart is enough.
        await site.KillAndRestartAsync();
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Connection == HostConnection.Standby, "the host sleeps");
        await site.SucceedAsync(new ExitStandby { Target = site.Host(1) });
        Assert.True(site.Simulation.Hosts[0].IsUp);
    });

    [Fact]
    public void AControllerThatDoesNotAnswerForAMomentIsAskedAgainWhetherTheHostIsDown() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler, isByController: true);
        var entering = await site.SubmitAsync(new EnterStandby { Target = site.Host(1) });
        while (site.Simulation.Hosts[0].IsUp)
            await Task.Delay(TimeSpan.FromMilliseconds(100), scheduler.Time);
        site.Simulation.HasControllers = false;
        await Task.Delay(TimeSpan.FromMinutes(2), scheduler.Time);
        Assert.False(site.Engine.Tasks.Get(entering.Id).HasEnded);
        site.Simulation.HasControllers = true;
        Assert.Equal(TaskState.Succeeded, (await site.EndAsync(entering)).State);
        Assert.Equal(HostStandby.In, site.Now.Get<Host>(site.Host(1)).Standby);

        await site.SucceedAsync(new ExitStandby { Target = site.Host(1) });
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Connection == HostConnection.Connected, "the host is there again");
        entering = await site.SubmitAsync(new EnterStandby { Target = site.Host(1) });
        while (site.Simulation.Hosts[0].IsUp)
            await Task.Delay(TimeSpan.FromMilliseconds(100), scheduler.Time);
        site.Simulation.HasControllers = false;
        Assert.IsType<HostStaysOn>((await site.EndAsync(entering)).Fault);
    });

    [Fact]
    public void ANeighbourSendsTheWakePacketToo() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        await site.SucceedAsync(new EnterStandby { Target = site.Host(1) });
        await site.SucceedAsync(new ExitStandby { Target = site.Host(1) });
        var sent = Assert.Single(site.Hosts.Sent, s => s.Command is SendWakePacket);
        Assert.Equal((site.Host(2), new SendWakePacket(site.Simulation.Hosts[0].Card, WakeOnLan.EveryNeighbour)), (sent.Host, (SendWakePacket)sent.Command));
    });

    [Fact]
    public void AHostThatNothingWakesIsNotPutToStandby() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var refused = await site.FailAsync<InvalidState>(new EnterStandby { Target = site.Host(1) });
        Assert.Contains("host.set-power", refused.Expected);
        await site.SucceedAsync(SetCard(site, 1));
        await site.SucceedAsync(new EnterMaintenance { Target = site.Host(1) });
        await site.FailAsync<InvalidState>(new EnterStandby { Target = site.Host(1) });
    });

    [Fact]
    public void AHostThatCouldNotBePoweredDownIsNotEmptied() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        var vm = await site.CreateAsync("a", host: 1, on: true);
        const string Problem = "its agent was given no command";
        await site.SayPowerDownProblemAsync(1, Problem);
        Assert.Equal(Problem, (await site.FailAsync<HostStaysOn>(new EnterStandby { Target = site.Host(1) })).Reason);
        await site.SucceedAsync(SetCard(site, 1));
        Assert.Contains(site.Engine.Events.Since(0), e => e.Kind == "power.stays-on" && e.Message.Contains(Problem, StringComparison.Ordinal));
        await site.SucceedAsync(new SetPowerSaving { Target = site.Cluster, Mode = PowerSavingMode.Manual });
        Assert.Equal(2, site.Engine.Events.Since(0).Count(e => e.Kind == "power.stays-on" && e.Subject == site.Host(1)));

        // Its controller needs no command, as long as it can do it.
        site.Simulation.ControllersShutDown = false;
        var byController = new SetHostPower { Target = site.Host(1), Redfish = ControllerOf(site, 1), Password = SimulatedSite.Password };
        Assert.Contains("GracefulShutdown", (await site.FailAsync<ControllerFailed>(byController)).Reason);
        site.Simulation.ControllersShutDown = true;
        await site.SucceedAsync(byController);
        site.Simulation.ControllersShutDown = false;
        await site.FailAsync<ControllerFailed>(new EnterStandby { Target = site.Host(1) });
        Assert.Equal((site.Host(1), HostStandby.None), (site.Vm(vm).Host!.Value, site.Now.Get<Host>(site.Host(1)).Standby));
        Assert.DoesNotContain(site.Engine.Tasks.List(), t => t.Operation == "vm.migrate");
        site.Simulation.ControllersShutDown = true;
        await site.SucceedAsync(new EnterStandby { Target = site.Host(1) });
    });

    [Fact]
    public void AHostThatCannotBeEmptiedOrDoesNotGoDownRunsMachinesAgain() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        var vm = await site.CreateAsync("a", host: 1, on: true);
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "one", Hosts = [site.Host(1)] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "here", Kind = ClusterRuleKind.OnHosts, Vms = [vm], HostGroup = "one" });
        var staying = await site.FailAsync<HostNotEmptied>(new EnterStandby { Target = site.Host(1) });
        Assert.Contains("'a' stays", Assert.Single(staying.Staying));

        site.Hosts.Refuse<PowerDownHost>(new HostStaysOn("h2", "its agent was given no command to power it down by"));
        await site.FailAsync<HostStaysOn>(new EnterStandby { Target = site.Host(2) });
        site.Hosts.On<PowerDownHost>(_ => Task.FromResult<HostReply>(Done.Instance));
        Assert.Contains("not known to be off", (await site.FailAsync<HostStaysOn>(new EnterStandby { Target = site.Host(2) })).Reason);
        Assert.All(site.Now.OfType<Host>(), h => Assert.Equal((HostStandby.None, HostConnection.Connected), (h.Standby, h.Connection)));
    });

    [Fact]
    public void APreferenceThatWouldBeBrokenKeepsAHostOnOnlyWhereThatIsAskedFor() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        var vm = await site.CreateAsync("a", host: 1, on: true);
        await site.SucceedAsync(new SetHostGroup { Target = site.Cluster, Name = "one", Hosts = [site.Host(1)] });
        await site.SucceedAsync(new CreateRule { Target = site.Cluster, Name = "rather", Kind = ClusterRuleKind.OnHosts, Vms = [vm], HostGroup = "one", IsPreference = true });
        var kept = await site.FailAsync<HostNotEmptied>(new EnterStandby { Target = site.Host(1), KeepsPreferences = true });
        Assert.Equal("by rule 'rather' its machines run on hosts of group 'one', and would not any more", Assert.Single(kept.Staying));
        Assert.Equal((site.Host(1), HostStandby.None), (site.Vm(vm).Host!.Value, site.Now.Get<Host>(site.Host(1)).Standby));
        await site.SucceedAsync(new EnterStandby { Target = site.Host(1) });
    });

    [Fact]
    public void AHostThatDoesNotWakeIsTriedThreeTimesAndSaidAndComesBackWhenItAnswers() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        await site.SucceedAsync(new EnterStandby { Target = site.Host(1) });
        site.Simulation.Power.Broken.Add(site.Host(1));
        var fault = await site.FailAsync<HostNotWoken>(new ExitStandby { Target = site.Host(1) });
        Assert.Equal(StandbyOperations.Tries, fault.Tries);
        Assert.Equal((HostStandby.In, StandbyOperations.Tries), (site.Now.Get<Host>(site.Host(1)).Standby, site.Now.Get<Host>(site.Host(1)).FailedWakes));
        Assert.Contains(site.Engine.Events.Since(0), e => e.Kind == "host.not-woken");

        // Somebody presses its button.
        site.Simulation.Hosts[0].Boot();
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)) is { Standby: HostStandby.None, FailedWakes: 0, Connection: HostConnection.Connected }, "it is back");
    });

    [Fact]
    public void ACenterThatIsKilledWhileAHostGoesDownFindsItInStandby() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        var entering = await site.SubmitAsync(new EnterStandby { Target = site.Host(1) });
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Facts?.IsPoweringDown == true, "it goes down");
        await site.KillAndRestartAsync();
        Assert.IsType<Interrupted>((await site.EndAsync(entering)).Fault);
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)) is { Standby: HostStandby.In, Connection: HostConnection.Standby }, "it sleeps");
        await site.SucceedAsync(new ExitStandby { Target = site.Host(1) });
    });

    [Fact]
    public void AnAgentThatIsStillGoingDownWhenItIsSeenAgainIsNotAwake() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await OpenAsync(scheduler);
        var entering = await site.SubmitAsync(new EnterStandby { Target = site.Host(1) });
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Facts?.IsPoweringDown == true, "it goes down");
        site.Simulation.Network.Cut(Alveare.Simulation.Worlds.Network.Center, site.Host(1));
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Connection == HostConnection.Standby, "it is silent");
        site.Simulation.Network.Heal(Alveare.Simulation.Worlds.Network.Center, site.Host(1));
        await site.EndAsync(entering);
        Assert.Equal(HostStandby.In, site.Now.Get<Host>(site.Host(1)).Standby);
    });

    [Theory]
    [InlineData("52:54:00:ab:cd", "255.255.255.255", "MAC")]
    [InlineData("53:54:00:ab:cd:ef", "255.255.255.255", "MAC")]
    [InlineData("00:00:00:00:00:00", "255.255.255.255", "MAC")]
    [InlineData("52:54:00:ab:cd:eg", "255.255.255.255", "MAC")]
    [InlineData("52:54:00:ab:cd:ef", "here", "broadcast")]
    [InlineData("52:54:00:ab:cd:ef", "::1", "broadcast")]
    public void ACardThatNoPacketWakesIsRefused(string mac, string broadcast, string named) => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        Assert.Contains(named, (await site.FailAsync<InvalidArgument>(new SetHostPower { Target = site.Host(1), WakeOnLan = new(mac, broadcast) })).Argument);
    });

    [Fact]
    public void AControllerIsAskedBeforeItIsBelievedAndItsPasswordIsNowhereToBeSeen() => VirtualRun.Of(async scheduler =>
    {
        await using var site = await MachineSite.OpenAsync(scheduler);
        var controller = ControllerOf(site, 1);
        var good = new SetHostPower { Target = site.Host(1), Redfish = controller, Password = SimulatedSite.Password };
        await site.FailAsync<InvalidArgument>(good with { Password = null });
        await site.FailAsync<InvalidArgument>(good with { WakeOnLan = new WakeOnLan("52:54:00:ab:cd:ef") });
        await site.FailAsync<InvalidArgument>(good with { Redfish = controller with { Address = "http://10.0.0.7" } });
        await site.FailAsync<InvalidArgument>(good with { Redfish = controller with { Fingerprint = "AB" } });
        await site.FailAsync<ControllerFailed>(good with { Password = "another" });
        await site.FailAsync<ControllerFailed>(good with { Redfish = controller with { Address = "https://elsewhere" } });
        Assert.False(site.Now.Get<Host>(site.Host(1)).CanBeWoken);

        await site.SucceedAsync(good);
        // Kept for the same user and certificate, so that an address can be mended without it; another certificate is another controller.
        await site.SucceedAsync(good with { Password = null });
        await site.FailAsync<InvalidArgument>(good with { Redfish = controller with { Fingerprint = new string('B', 64) }, Password = null });
        Assert.DoesNotContain(SimulatedSite.Password, ModelJson.Write<Entity>(site.Now.Get<Host>(site.Host(1))));
        Assert.DoesNotContain(site.Engine.Tasks.List(), t => ModelJson.Write(t).Contains(SimulatedSite.Password, StringComparison.Ordinal));
        await site.SucceedAsync(new SetHostPower { Target = site.Host(1) });
        Assert.False(site.Now.Get<Host>(site.Host(1)).CanBeWoken);
        await site.FailAsync<InvalidArgument>(good with { Password = null });
    });

    /// <summary>Two hosts that can be woken.</summary>
    private static async Task<MachineSite> OpenAsync(Scheduler scheduler, bool isByController = false)
    {
        var site = await MachineSite.OpenAsync(scheduler);
        for (var number = 1; number <= 2; number++)
        {
            await site.SucceedAsync(isByController
                ? new SetHostPower { Target = site.Host(number), Redfish = ControllerOf(site, number), Password = SimulatedSite.Password }
                : SetCard(site, number));
        }

        return site;
    }

    private static SetHostPower SetCard(MachineSite site, int number) =>
        new() { Target = site.Host(number), WakeOnLan = new WakeOnLan(site.Simulation.Hosts[number - 1].Card) };

    private static Redfish ControllerOf(MachineSite site, int number) =>
        new(SimulatedSite.ControllerOf(site.Simulation.Hosts[number - 1]), SimulatedSite.User, new string('A', 64));
}
