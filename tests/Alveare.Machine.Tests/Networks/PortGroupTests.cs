using Alveare.Core.Hosts;
using Alveare.Kvm.Networks;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Machine.Tests.Networks;

public sealed class PortGroupTests
{
    private const string Mac = "52:54:00:00:00:01";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PortGroupsAreBuiltOnceHoweverOftenTheyAreAppliedAndExactlyThese()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var names = new DeviceNames(host.Id);
        await ApplyAsync(host, Group("red", 5001), Group("blue", 16777215));
        await ApplyAsync(host, Group("red", 5001), Group("blue", 16777215));
        Assert.Equal([names.Bridge(5001), names.Bridge(16777215)], NetworkDevices.Of([host.Id]));
        Assert.Equal(["red", "blue"], (await host.ObserveAsync(Cancellation)).PortGroups.Select(p => p.Name));

        await ApplyAsync(host, Group("blue", 16777215), Group("green", 1));
        Assert.Equal([names.Bridge(16777215), names.Bridge(1)], NetworkDevices.Of([host.Id]));

        await ApplyAsync(host);
        Assert.Empty(NetworkDevices.Of([host.Id]));
        Assert.Empty((await host.ObserveAsync(Cancellation)).PortGroups);
    }

    [Fact]
    public async Task ARestartedAgentFindsItsPortGroupsAndBuildsThoseThatAreGone()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        await ApplyAsync(first, Group("red", 5001), Group("blue", 5002));
        await first.DisposeAsync();
        var bridges = NetworkDevices.Of([first.Id]);
        NetworkDevices.Run("ip", "link", "delete", bridges[0]);

        var second = await room.OpenHostAsync("a");

        Assert.Empty(second.Warnings);
        Assert.Equal(["red", "blue"], (await second.ObserveAsync(Cancellation)).PortGroups.Select(p => p.Name));
        Assert.Equal(bridges.Order(), NetworkDevices.Of([first.Id]).Order());
    }

    [Fact]
    public async Task TwoPortGroupsOfOneIdentifierAreRefusedAndNothingIsBuilt()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var refused = await Assert.ThrowsAsync<FaultException>(() => ApplyAsync(host, Group("red", 5001), Group("blue", 5001)));
        Assert.Contains("'red'", Assert.IsType<InvalidArgument>(refused.Fault).Message, StringComparison.Ordinal);
        Assert.Empty(NetworkDevices.Of([host.Id]));
    }

    [Fact]
    public async Task AMachineWhosePortGroupIsNotHereIsRefusedWithThoseThatAre()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        await ApplyAsync(host, Group("red", 5001), Group("blue", 5002));
        var machine = await room.CreateTickingAsync(host, "tick", new NicSpec(Mac, "red"), new NicSpec(Mac, "green"));

        var refused = await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0)));

        var fault = Assert.IsType<NetworkNotAccessible>(refused.Fault);
        Assert.Equal("green", fault.PortGroup);
        Assert.Equal(["red", "blue"], fault.Offered);
        Assert.Empty(room.LivingProcesses());
        Assert.Equal(2, NetworkDevices.Of([host.Id]).Count);
    }

    [Fact]
    public async Task APortGroupInUseStaysUntilItsLastMachineEndsAndTakesNoNewOne()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var bridge = new DeviceNames(host.Id).Bridge(5001);
        await ApplyAsync(host, Group("red", 5001));
        var machine = await room.CreateTickingAsync(host, "tick", new NicSpec(Mac, "red"));
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        var tap = Assert.Single(NetworkDevices.PortsOf(bridge));
        Assert.Equal(1450, NetworkDevices.Find(tap).GetProperty("mtu").GetInt32());
        var said = NextEventAsync(host);

        await ApplyAsync(host);

        Assert.Contains("'tick'", (await said).Message, StringComparison.Ordinal);
        Assert.Equal([tap], NetworkDevices.PortsOf(bridge));
        var other = await room.CreateTickingAsync(host, "other", new NicSpec(Mac, "red"));
        var refused = await Assert.ThrowsAsync<FaultException>(() => MachineRoom.ExecuteAsync(host, new StartMachine(other.Id, 0)));
        Assert.IsType<NetworkNotAccessible>(refused.Fault);
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        Assert.Empty(NetworkDevices.Of([host.Id]));
    }

    [Fact]
    public async Task ABridgeThatSomebodyRemovedIsBuiltAnewForTheNextMachine()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var bridge = new DeviceNames(host.Id).Bridge(5001);
        await ApplyAsync(host, Group("red", 5001));
        NetworkDevices.Run("ip", "link", "delete", bridge);
        var machine = await room.CreateTickingAsync(host, "tick", new NicSpec(Mac, "red"));

        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));

        Assert.Single(NetworkDevices.PortsOf(bridge));
    }

    [Fact]
    public async Task TheTapOfAMachineThatDiedWithoutAnAgentIsRemovedByTheNext()
    {
        await using var room = MachineRoom.Open();
        var first = await room.OpenHostAsync("a");
        var bridge = new DeviceNames(first.Id).Bridge(5001);
        await ApplyAsync(first, Group("red", 5001));
        var machine = await room.CreateTickingAsync(first, "tick", new NicSpec(Mac, "red"));
        await MachineRoom.ExecuteAsync(first, new StartMachine(machine.Id, 0));
        var lives = await room.CreateTickingAsync(first, "lives", new NicSpec(Mac, "red"));
        await first.DisposeAsync();
        MachineRoom.Kill(Assert.Single(room.LivingProcesses()));
        await MachineRoom.UntilAsync(() => room.LivingProcesses().Count == 0, "QEMU has ended");
        Assert.Single(NetworkDevices.PortsOf(bridge));

        var second = await room.ReopenHostAsync("a");

        Assert.Empty(NetworkDevices.PortsOf(bridge));
        await MachineRoom.ExecuteAsync(second, new StartMachine(lives.Id, 0));
        Assert.Single(NetworkDevices.PortsOf(bridge));
    }

    private static PortGroupSpec Group(string name, int vni) =>
        new(new EntityId(EntityKind.PortGroup, new Guid(vni, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0])), name, vni);

    private static Task ApplyAsync(IHost host, params PortGroupSpec[] groups) =>
        MachineRoom.ExecuteAsync(host, new ApplyPortGroups([.. groups]));

    private static async Task<HostEventRaised> NextEventAsync(IHost host)
    {
        await foreach (var change in host.WatchAsync(Cancellation))
        {
            if (change is HostEventRaised raised)
                return raised;
        }

        throw new InvalidOperationException("The watch ended.");
    }
}
