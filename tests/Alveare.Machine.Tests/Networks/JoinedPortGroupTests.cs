using Alveare.Core.Hosts;
using Alveare.Kvm.Networks;
using Alveare.Machine.Tests.Migration;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Networks;

/// <summary>Two agents in two network namespaces, their port groups joined over the cable between them, and a real guest on one.</summary>
public sealed class JoinedPortGroupTests
{
    private const string Guest = "192.0.2.7";
    private const int Vni = 5001;

    private static readonly PortGroupSpec Red = new(new EntityId(EntityKind.PortGroup, new Guid("5c0f7a3e-0000-4000-8000-000000000001")), "red", Vni);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AGuestAnswersFromTheOtherHostAndIsFoundAtOnceWhereItMoved()
    {
        using var wires = new TwoNamespaces();
        await using var room = MachineRoom.Open();
        var center = room.NewCenter();
        await using var agentA = JoinedAgents.Start(room, wires, 0);
        await using var agentB = JoinedAgents.Start(room, wires, 1);
        await using var a = await JoinedAgents.JoinAsync(room, center, agentA, Red);
        await using var b = await JoinedAgents.JoinAsync(room, center, agentB, Red);
        wires.AddClient(1, new DeviceNames(b.Id).Bridge(Vni), "192.0.2.1");
        var machine = await room.CreateEchoAsync(a, "echo", EchoGuest.Nic(7, "red"));
        await MachineRoom.ExecuteAsync(a, new StartMachine(machine.Id, 0));

        Assert.True(wires.Answers(1, Guest), "the guest answers through both bridges and VXLAN");
        Assert.Equal(new DeviceNames(b.Id).Vxlan(Vni), PortOfGuest(wires, 1, b));

        machine = (await a.ObserveAsync(Cancellation)).Machines[0];
        await Move.RunAsync(room, a, b, machine, new MigrationSettings());

        // Nothing was sent to the guest since: its own announcement taught both bridges.
        await MachineRoom.UntilAsync(() => PortOfGuest(wires, 0, a) == new DeviceNames(a.Id).Vxlan(Vni), "the old host's bridge sends to VXLAN");
        await MachineRoom.UntilAsync(() => PortOfGuest(wires, 1, b) == new DeviceNames(b.Id).Tap(machine.Id.Uuid, 0), "the new host's bridge sends to the tap");
        Assert.True(wires.Answers(1, Guest), "the guest answers where it moved to");
        Assert.DoesNotContain("alvt", wires.InNamespace(0, "ip", "-oneline", "link"), StringComparison.Ordinal);

        await MachineRoom.ExecuteAsync(b, new StopMachine(machine.Id));
        Assert.DoesNotContain("alvt", wires.InNamespace(1, "ip", "-oneline", "link"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ARestartedAgentLeavesTheNetworkOfARunningGuestAlone()
    {
        using var wires = new TwoNamespaces();
        await using var room = MachineRoom.Open();
        var center = room.NewCenter();
        await using var first = JoinedAgents.Start(room, wires, 0);
        await using var a = await JoinedAgents.JoinAsync(room, center, first, Red);
        wires.AddClient(0, new DeviceNames(a.Id).Bridge(Vni), "192.0.2.1");
        var machine = await room.CreateEchoAsync(a, "echo", EchoGuest.Nic(7, "red"));
        await MachineRoom.ExecuteAsync(a, new StartMachine(machine.Id, 0));
        Assert.True(wires.Answers(0, Guest), "the guest answers");
        var devices = Devices(wires);
        first.Signal(Signals.Kill);
        await first.EndedAsync();

        await using var second = JoinedAgents.Start(room, wires, 0);
        await second.ReadyAsync();

        Assert.Equal(devices, Devices(wires));
        Assert.True(wires.Answers(0, Guest), "the guest answers still");
    }

    [Fact]
    public async Task AnUplinkThatIsTooNarrowIsRefusedWithTheReason()
    {
        using var wires = new TwoNamespaces();
        wires.InNamespace(0, "ip", "link", "set", TwoNamespaces.Uplink, "mtu", "1400");
        await using var room = MachineRoom.Open();
        await using var agent = JoinedAgents.Start(room, wires, 0);
        var refused = await Assert.ThrowsAsync<FaultException>(() => JoinedAgents.JoinAsync(room, room.NewCenter(), agent, Red));
        Assert.Contains("its MTU is 1400; expected 1500", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Devices(wires));
    }

    /// <summary>The port behind which the bridge of a host believes the guest to be.</summary>
    private static string? PortOfGuest(TwoNamespaces wires, int which, IHost host) =>
        wires.InNamespace(which, "bridge", "fdb", "show", "br", new DeviceNames(host.Id).Bridge(Vni)).Split('\n')
            .Where(l => l.StartsWith("52:54:00:00:00:07 ", StringComparison.Ordinal) && l.Contains(" master ", StringComparison.Ordinal))
            .Select(l => l.Split(' ')[2]).FirstOrDefault();

    private static string[] Devices(TwoNamespaces wires) =>
        [.. wires.InNamespace(0, "ip", "-oneline", "link").Split('\n').Select(l => l.Split(':', 3)).Where(f => f.Length == 3 && f[1].StartsWith(" alv", StringComparison.Ordinal)).Select(f => $"{f[0]}{f[1]}")];
}
