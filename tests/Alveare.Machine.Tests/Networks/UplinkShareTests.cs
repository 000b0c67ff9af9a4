using System.Runtime.InteropServices;
using Alveare.Core.Hosts;
using Alveare.Kvm.Networks;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Machine.Tests.Networks;

/// <summary>Real guests of one host that answer over its uplink, which takes less than they could send.</summary>
public sealed class UplinkShareTests
{
    private const int Vni = 5001;

    // 2 Mbit/s; of each frame of an answer 1,442 bytes are the guest's and 50 the way's.
    private const string Speed = "2";
    private const double All = 250_000 * 1442.0 / 1492;

    private static readonly PortGroupSpec Red = new(new EntityId(EntityKind.PortGroup, new Guid("5c0f7a3e-0000-4000-8000-000000000003")), "red", Vni);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CardsShareTheUplinkByTheirSharesOneAloneHasAllAndNothingIsLeftBehind()
    {
        using var wires = new TwoNamespaces();
        await using var room = MachineRoom.Open();
        var center = JoinedAgents.NewCenter(room);
        await using var agentA = JoinedAgents.Start(room, wires, 0, "--uplink-speed", Speed);
        await using var agentB = JoinedAgents.Start(room, wires, 1);
        await using var a = await JoinedAgents.JoinAsync(room, center, agentA, Red);
        await using var b = await JoinedAgents.JoinAsync(room, center, agentB, Red);
        var (high, low) = (await StartAsync(room, a, 7), await StartAsync(room, a, 8));
        var bridge = new DeviceNames(b.Id).Bridge(Vni);
        using var first = new BridgeClient(bridge, wires.NameOf(1), "192.0.2.1");
        using var second = new BridgeClient(bridge, wires.NameOf(1), "192.0.2.2");
        Assert.DoesNotContain("htb", Queues(wires), StringComparison.Ordinal);

        await SetAsync(a, high, 100);
        await SetAsync(a, low, 25);
        first.Ask("192.0.2.7");
        second.Ask("192.0.2.8");
        await MachineRoom.UntilAsync(() => Task.WhenAll(first.AnsweredAsync(Cancellation), second.AnsweredAsync(Cancellation)).Result.Min() > 10_000, "both guests answer");
        var (most, least) = await AnsweredAsync(first, second);
        Assert.InRange(most / least, 3.6, 4.4);
        Assert.InRange(most + least, 0.9 * All, 1.05 * All);

        // What it says changes while they run.
        await SetAsync(a, low, 100);
        (most, least) = await AnsweredAsync(first, second);
        Assert.InRange(most / least, 0.9, 1.1);
        await SetAsync(a, low, 25);

        // The kernel goes on without the agent, and the next one finds what is to be.
        agentA.Signal((PosixSignal)9);
        await agentA.EndedAsync();
        (most, least) = await AnsweredAsync(first, second);
        Assert.InRange(most / least, 3.6, 4.4);
        await using var again = JoinedAgents.Start(room, wires, 0, "--uplink-speed", Speed);
        await using var a2 = await JoinedAgents.JoinAsync(room, center, again, Red);
        (most, least) = await AnsweredAsync(first, second);
        Assert.InRange(most / least, 3.6, 4.4);

        first.Rest();
        Assert.InRange(await second.AnsweredAsync(Cancellation), 0.9 * All, 1.05 * All);

        await MachineRoom.ExecuteAsync(a2, new StopMachine(high));
        await MachineRoom.UntilAsync(() => Cards(wires) == 1, "the card that is gone has no part");
        await SetAsync(a2, low, null);
        Assert.DoesNotContain("htb", Queues(wires), StringComparison.Ordinal);
        Assert.True(await second.AnsweredAsync(Cancellation) > 1.5 * All, "the guest answers faster than the uplink was held to");
    }

    private static async Task<EntityId> StartAsync(MachineRoom room, IHost host, byte number)
    {
        var machine = await room.CreateEchoAsync(host, $"echo{number}", EchoGuest.Nic(number, "red"));
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        return machine.Id;
    }

    private static Task<HostReply> SetAsync(IHost host, EntityId machine, int? shares) =>
        MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, ResourceControls.None) { Nics = [new NicControl { Shares = shares }] });

    private static async Task<(double First, double Second)> AnsweredAsync(BridgeClient first, BridgeClient second)
    {
        var answered = await Task.WhenAll(first.AnsweredAsync(Cancellation), second.AnsweredAsync(Cancellation));
        return (answered[0], answered[1]);
    }

    // Classes of cards, not of the uplink, its machines, its host and cards that are not known.
    private static int Cards(TwoNamespaces wires) =>
        wires.InNamespace(0, "tc", "class", "show", "dev", TwoNamespaces.Uplink).Split('\n').Count(l => l.StartsWith("class htb ", StringComparison.Ordinal)) - 4;

    private static string Queues(TwoNamespaces wires) => wires.InNamespace(0, "tc", "qdisc", "show", "dev", TwoNamespaces.Uplink);
}
