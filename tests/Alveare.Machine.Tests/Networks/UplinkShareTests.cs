using Alveare.Core.Hosts;
using Alveare.Kvm.Networks;
using Alveare.Machine.Tests.Migration;
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
        var center = room.NewCenter();
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
        await ShareAsync(first, second, ratio: 4, of: 1);

        // What the host itself sends has its third, and the cards share the rest as before.
        using (new Pings(wires.NameOf(0), TwoNamespaces.UplinkOf(1)))
        {
            await ShareAsync(first, second, ratio: 4, of: 2 / 3.0);
        }

        // What it says changes while they run.
        await SetAsync(a, low, 100);
        await ShareAsync(first, second, ratio: 1, of: 1);
        await SetAsync(a, low, 25);

        // The kernel goes on without the agent, and the next one finds what is to be.
        agentA.Signal(Signals.Kill);
        await agentA.EndedAsync();
        await ShareAsync(first, second, ratio: 4, of: 1);
        await using var again = JoinedAgents.Start(room, wires, 0, "--uplink-speed", Speed);
        await using var a2 = await JoinedAgents.JoinAsync(room, center, again, Red);
        await ShareAsync(first, second, ratio: 4, of: 1);

        // One alone has all; what stays on the host neither counts nor is held to anything.
        first.Rest();
        using var near = new BridgeClient(new DeviceNames(a.Id).Bridge(Vni), wires.NameOf(0), "192.0.2.3");
        near.Ask("192.0.2.7");
        await Rates.ReachAsync(
            () => AnsweredAsync(near, second), r => r.First > 1.1 * All && r.Second >= 0.9 * All, r => r.Second > 1.05 * All,
            $"a guest that answers on its own host with more than {All}, and {All} for the other");
        near.Rest();

        await MachineRoom.ExecuteAsync(a2, new StopMachine(high));
        await MachineRoom.UntilAsync(() => Cards(wires) == 1, "the card that is gone has no part");
        await SetAsync(a2, low, null);
        Assert.DoesNotContain("htb", Queues(wires), StringComparison.Ordinal);
        await Rates.ExceedAsync(() => second.AnsweredAsync(Cancellation), 1.1 * All);
    }

    [Fact]
    public async Task SharesGoWithTheMachineAndTheQueueEndsWhereNobodyNeedsItAnyMore()
    {
        using var wires = new TwoNamespaces();
        await using var room = MachineRoom.Open();
        var center = room.NewCenter();
        await using var agentA = JoinedAgents.Start(room, wires, 0);
        await using var agentB = JoinedAgents.Start(room, wires, 1);
        await using var a = await JoinedAgents.JoinAsync(room, center, agentA, Red);
        await using var b = await JoinedAgents.JoinAsync(room, center, agentB, Red);
        var machine = await StartAsync(room, a, 7);
        await SetAsync(a, machine, 100);
        // A cable between two namespaces says that it has 10 Gbit/s, of which frames have 98 %.
        Assert.Contains("class htb a1fe:1 root rate 9800Mbit", Classes(wires, 0), StringComparison.Ordinal);
        Assert.DoesNotContain("htb", Queues(wires, 1), StringComparison.Ordinal);

        await Move.RunAsync(room, a, b, (await a.ObserveAsync(Cancellation)).Machines[0], new MigrationSettings());
        await MachineRoom.UntilAsync(() => Classes(wires, 1).Contains("class htb a1fe:10 ", StringComparison.Ordinal), "the card has its part where the machine moved to");
        await MachineRoom.UntilAsync(() => !Queues(wires, 0).Contains("htb", StringComparison.Ordinal), "the uplink that it left is as it was");
    }

    [Fact]
    public async Task AnAgentThatIsGivenAnotherUplinkTakesItsQueueFromTheOneBefore()
    {
        using var wires = new TwoNamespaces();
        await using var room = MachineRoom.Open();
        var center = room.NewCenter();
        await using var agent = JoinedAgents.Start(room, wires, 0);
        await using var host = await JoinedAgents.JoinAsync(room, center, agent, Red);
        await SetAsync(host, await StartAsync(room, host, 7), 100);
        Assert.Contains("qdisc htb a1fe: root", Queues(wires), StringComparison.Ordinal);
        agent.Signal(Signals.Kill);
        await agent.EndedAsync();

        wires.InNamespace(0, "ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1");
        wires.InNamespace(0, "ip", "address", "add", "198.18.78.1/24", "dev", "other0");
        wires.InNamespace(0, "ip", "link", "set", "other0", "up");
        wires.InNamespace(0, "ip", "link", "set", "other1", "up");
        await using var again = JoinedAgents.StartOver("other0", room, wires, 0);
        await using var host2 = await JoinedAgents.JoinAsync(room, center, again, Red);
        await MachineRoom.UntilAsync(
            () => wires.InNamespace(0, "tc", "qdisc", "show", "dev", "other0").Contains("qdisc htb a1fe: root", StringComparison.Ordinal), "the machines share the other uplink");
        Assert.DoesNotContain("htb", Queues(wires), StringComparison.Ordinal);
    }

    [Fact]
    public async Task AQueueThatAnAdministratorHasSetIsLeftAloneAndTheMachineSaysSo()
    {
        using var wires = new TwoNamespaces();
        await using var room = MachineRoom.Open();
        await using var agent = JoinedAgents.Start(room, wires, 0);
        await using var host = await JoinedAgents.JoinAsync(room, room.NewCenter(), agent, Red);
        var machine = await StartAsync(room, host, 7);
        wires.InNamespace(0, "tc", "qdisc", "add", "dev", TwoNamespaces.Uplink, "root", "handle", "1:", "tbf", "rate", "100mbit", "burst", "64k", "limit", "256k");
        var said = FirstEventAsync(host, "vm.resources-not-enforced");
        await SetAsync(host, machine, 100);
        Assert.EndsWith(
            "are in force: shares of network cards do nothing, because the uplink 'uplink0' has a queue that was set by somebody else (tc qdisc show dev uplink0).",
            (await said.WaitAsync(MachineRoom.Patience, Cancellation)).Message, StringComparison.Ordinal);
        Assert.Contains("qdisc tbf 1: root", Queues(wires), StringComparison.Ordinal);

        wires.InNamespace(0, "tc", "qdisc", "delete", "dev", TwoNamespaces.Uplink, "root");
        await MachineRoom.UntilAsync(() => Queues(wires).Contains("htb", StringComparison.Ordinal), "shares are in force once the other queue is gone");
    }

    private static async Task<HostEventRaised> FirstEventAsync(IHost host, string name)
    {
        await foreach (var change in host.WatchAsync(Cancellation))
        {
            if (change is HostEventRaised raised && raised.Kind == name)
                return raised;
        }

        throw new InvalidOperationException("The host tells no more.");
    }

    private static async Task<EntityId> StartAsync(MachineRoom room, IHost host, byte number)
    {
        var machine = await room.CreateEchoAsync(host, $"echo{number}", EchoGuest.Nic(number, "red"));
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        return machine.Id;
    }

    private static Task<HostReply> SetAsync(IHost host, EntityId machine, int? shares) =>
        MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, ResourceControls.None) { Nics = [new NicControl { Shares = shares }] });

    // The first gets so many times what the second does and both such a part of all, a tenth aside; never more than all.
    private static Task ShareAsync(BridgeClient first, BridgeClient second, double ratio, double of) => Rates.ReachAsync(
        () => AnsweredAsync(first, second),
        r => IsNear(r.First / r.Second, ratio) && IsNear(r.First + r.Second, of * All),
        r => r.First + r.Second > 1.05 * All,
        $"{ratio} to 1 of {of * All}");

    private static bool IsNear(double found, double expected) => found >= 0.9 * expected && found <= 1.1 * expected;

    private static async Task<(double First, double Second)> AnsweredAsync(BridgeClient first, BridgeClient second)
    {
        var answered = await Task.WhenAll(first.AnsweredAsync(Cancellation), second.AnsweredAsync(Cancellation));
        return (answered[0], answered[1]);
    }

    // Classes of cards, not of the uplink, its machines, its host and cards that are not known.
    private static int Cards(TwoNamespaces wires) =>
        Classes(wires, 0).Split('\n').Count(l => l.StartsWith("class htb ", StringComparison.Ordinal)) - 4;

    private static string Classes(TwoNamespaces wires, int which) => wires.InNamespace(which, "tc", "class", "show", "dev", TwoNamespaces.Uplink);

    private static string Queues(TwoNamespaces wires, int which = 0) => wires.InNamespace(which, "tc", "qdisc", "show", "dev", TwoNamespaces.Uplink);
}
