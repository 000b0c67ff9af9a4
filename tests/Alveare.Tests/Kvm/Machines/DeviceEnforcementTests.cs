using System.Collections.Immutable;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Networks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>What QEMU is told and asked when what pools are held to is divided among the devices of their machines.</summary>
public sealed class DeviceEnforcementTests
{
    private const string Taken = """{"return": {}}""";

    [Fact]
    public async Task ALimitThatQemuRefusedIsTriedAgainAtEachDivisionAndEachRefusalIsToldOnce()
    {
        var answers = new Queue<string>([Refusal("busy"), Refusal("busy"), Refusal("broken"), Refusal("broken"), Taken]);
        var limits = new List<int>();
        await using var pooled = await PooledMachine.StartAsync((_, arguments) =>
        {
            limits.Add(arguments.GetProperty("iops").GetInt32());
            return answers.Dequeue();
        });
        var told = new List<string>();
        using var machine = new Machine(pooled.State, pooled.Host);
        var enforcement = new DeviceEnforcement(
            null, new TapShaping(EntityId.Host(Guid.NewGuid())), new UplinkShares(uplink: null, speed: null), _ => null, (_, why) =>
            {
                lock (told)
                    told.Add(why);
            });
        ImmutableArray<HostPool> pools = [pooled.PoolOf(new DiskControl { IopsLimit = 90 }, PoolNetworkControl.None)];
        for (var refusal = 1; refusal <= 4; refusal++)
            Assert.IsType<HostOperationFailed>((await Assert.ThrowsAsync<FaultException>(DivideAsync)).Fault);
        await DivideAsync();
        await DivideAsync();

        Assert.Equal([90, 90, 90, 90, 90], limits);
        // It is told by whoever waits for the answer too, and perhaps after us.
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (Count() < 2)
            await Task.Delay(5, limit.Token);
        Assert.Collection(told, w => Assert.Contains("busy", w, StringComparison.Ordinal), w => Assert.Contains("broken", w, StringComparison.Ordinal));

        int Count()
        {
            lock (told)
                return told.Count;
        }

        Task DivideAsync()
        {
            enforcement.Divide([new RunningMachine(machine, pooled.Run, pooled.Spec)], pools, new Dictionary<MachineRun, DeviceWork>(), changed: null);
            return enforcement.ThrottledAsync(pooled.Run);
        }
    }

    private static string Refusal(string why) => $$$"""{"error": {"class": "GenericError", "desc": "{{{why}}}"}}""";
}
