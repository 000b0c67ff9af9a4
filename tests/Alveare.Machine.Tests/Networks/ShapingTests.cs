using Alveare.Core.Hosts;
using Alveare.Kvm;
using Alveare.Kvm.Networks;
using Alveare.Machine.Tests.Migration;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Machine.Tests.Networks;

/// <summary>A real guest that answers every question is held to what its network card may send and be sent.</summary>
public sealed class ShapingTests
{
    private const string Guest = "192.0.2.7";
    private const int Vni = 5001;

    private static readonly PortGroupSpec Red = new(new EntityId(EntityKind.PortGroup, new Guid("5c0f7a3e-0000-4000-8000-000000000002")), "red", Vni);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task LimitsOfBothDirectionsHoldAndAreChangedAndLiftedWhileTheGuestRuns()
    {
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room, "a");
        var machine = await room.CreateEchoAsync(host, "echo", EchoGuest.Nic(7, "red"));
        await SetAsync(host, machine.Id, new NicControl { Out = Limit(100_000) });
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        using var client = new BridgeClient(new DeviceNames(host.Id).Bridge(Vni));
        client.Ask(Guest);
        await MachineRoom.UntilAsync(() => client.AnsweredAsync(Cancellation).Result > 10_000, "the guest answers");

        await Rates.HoldAsync(() => client.AnsweredAsync(Cancellation), 100_000);
        await SetAsync(host, machine.Id, new NicControl { Out = Limit(200_000) });
        await Rates.HoldAsync(() => client.AnsweredAsync(Cancellation), 200_000);
        await SetAsync(host, machine.Id, new NicControl { In = Limit(150_000) });
        await Rates.HoldAsync(() => client.AnsweredAsync(Cancellation), 150_000);
        Assert.Empty(Intermediates(host));
        await SetAsync(host, machine.Id, NicControl.None);
        await Rates.ExceedAsync(() => client.AnsweredAsync(Cancellation), 400_000);
        Assert.DoesNotContain("tbf", Queues(host, machine.Id), StringComparison.Ordinal);
        Assert.DoesNotContain("ingress", Queues(host, machine.Id), StringComparison.Ordinal);
    }

    [Fact]
    public async Task APoolsLimitHoldsAndItsMachinesOwnWithinIt()
    {
        await using var room = MachineRoom.Open();
        var host = await OpenAsync(room, "a");
        var machine = await room.CreateEchoAsync(host, "echo", EchoGuest.Nic(7, "red"));
        await MachineRoom.ExecuteAsync(host, Pool(machine.Id, new PoolNetworkControl { OutLimit = new(100_000) }));
        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));
        using var client = new BridgeClient(new DeviceNames(host.Id).Bridge(Vni));
        client.Ask(Guest);
        await MachineRoom.UntilAsync(() => client.AnsweredAsync(Cancellation).Result > 10_000, "the guest answers");

        await Rates.HoldAsync(() => client.AnsweredAsync(Cancellation), 100_000);
        await MachineRoom.ExecuteAsync(host, Pool(machine.Id, new PoolNetworkControl { InLimit = new(300_000) }));
        await SetAsync(host, machine.Id, new NicControl { Out = Limit(150_000) });
        await Rates.HoldAsync(() => client.AnsweredAsync(Cancellation), 150_000);
        Assert.Contains("tbf", Queues(host, machine.Id), StringComparison.Ordinal);
        await SetAsync(host, machine.Id, NicControl.None);
        await MachineRoom.ExecuteAsync(host, new ApplyPools([]));
        await Rates.ExceedAsync(() => client.AnsweredAsync(Cancellation), 400_000);
        Assert.DoesNotContain("tbf", Queues(host, machine.Id), StringComparison.Ordinal);
        Assert.DoesNotContain("ingress", Queues(host, machine.Id), StringComparison.Ordinal);
    }

    private static ApplyPools Pool(EntityId machine, PoolNetworkControl control) => new([
        new HostPool(new EntityId(EntityKind.ResourcePool, new Guid("5c0f7a3e-0000-4000-8000-000000000003")), null, new CpuControl(), [machine]) { Network = control },
    ]);

    [Fact]
    public async Task LimitsGoWithTheMachineAreKeptByTheNextAgentAndEndWithTheTap()
    {
        await using var room = MachineRoom.Open();
        var source = await OpenAsync(room, "a");
        var target = await OpenAsync(room, "b");
        var machine = await room.CreateEchoAsync(source, "echo", EchoGuest.Nic(7, "red"));
        machine = ((MachineReply)await MachineRoom.ExecuteAsync(source, new StartMachine(machine.Id, 0))).Machine;
        Assert.DoesNotContain("tbf", Queues(source, machine.Id), StringComparison.Ordinal);
        var shaping = new TrafficShaping(new Bytes(1_000_000), Peak: new Bytes(2_000_000), Burst: new Bytes(65_536));
        await SetAsync(source, machine.Id, new NicControl { Out = shaping, In = Limit(500_000) });
        Assert.Single(Intermediates(source));

        await Move.RunAsync(room, source, target, machine, new MigrationSettings());
        await MachineRoom.RemovedAsync(source, machine.Id);
        Assert.Empty(Intermediates(source));
        var through = Assert.Single(Intermediates(target));
        Assert.Contains("rate 8Mbit burst 64Kb peakrate 16Mbit", NetworkDevices.Run("tc", "qdisc", "show", "dev", through), StringComparison.Ordinal);
        Assert.Contains("rate 4Mbit burst 32Kb", Queues(target, machine.Id), StringComparison.Ordinal);

        await target.DisposeAsync();
        // As if the last agent had ended in the middle.
        NetworkDevices.Run("tc", "qdisc", "delete", "dev", new DeviceNames(target.Id).Tap(machine.Id.Uuid, 0), "ingress");
        NetworkDevices.Run("ip", "link", "add", $"{through[..^1]}9", "type", "ifb");
        NetworkDevices.Run("ip", "link", "set", $"{through[..^1]}9", "alias", new DeviceNames(target.Id).AliasOfIfb($"{through[..^1]}9"));
        target = await room.ReopenHostAsync("b");
        Assert.Equal([through], Intermediates(target));
        Assert.Contains("ingress", Queues(target, machine.Id), StringComparison.Ordinal);

        await MachineRoom.ExecuteAsync(target, new StopMachine(machine.Id));
        Assert.Empty(Intermediates(target));
    }

    private static TrafficShaping Limit(long bytes) => new(new Bytes(bytes));

    private static async Task<KvmHost> OpenAsync(MachineRoom room, string name)
    {
        var host = await room.OpenHostAsync(name);
        await MachineRoom.ExecuteAsync(host, new ApplyPortGroups([Red]));
        return host;
    }

    private static Task<HostReply> SetAsync(IHost host, EntityId machine, NicControl control) =>
        MachineRoom.ExecuteAsync(host, new SetMachineResources(machine, ResourceControls.None) { Nics = [control] });

    private static IReadOnlyList<string> Intermediates(IHost host) =>
        [.. NetworkDevices.Of([host.Id]).Where(d => d.StartsWith($"{DeviceNames.Prefix}i", StringComparison.Ordinal))];

    private static string Queues(IHost host, EntityId machine) =>
        NetworkDevices.Run("tc", "qdisc", "show", "dev", new DeviceNames(host.Id).Tap(machine.Uuid, 0));
}
