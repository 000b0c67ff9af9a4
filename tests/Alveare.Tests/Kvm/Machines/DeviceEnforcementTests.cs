using System.Collections.Immutable;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Networks;
using Alveare.Kvm.Statistics;
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

    [Theory]
    [InlineData(null, 20_000L, 0)]
    [InlineData(90, null, 1)]
    [InlineData(null, null, 0)]
    public async Task QemuIsAskedAboutDisksOnlyWhereAPoolIsHeldToWhatTheyDo(int? iops, long? sent, int expected)
    {
        var asked = new List<string>();
        await using var pooled = await PooledMachine.StartAsync((command, _) =>
        {
            asked.Add(command);
            return """{"return": []}""";
        });
        var directory = Directory.CreateTempSubdirectory("alv-");
        try
        {
            using var machines = new MachineTable(pooled.State, new Registry(directory.FullName));
            machines.AddVisiting(pooled.Host).Run = pooled.Run;
            HostPool[] pools =
            [
                pooled.PoolOf(new DiskControl { IopsLimit = iops }, new PoolNetworkControl { OutLimit = sent is { } bytes ? new Bytes(bytes) : null }),
                // What is in no pool with a limit is not asked after on account of others.
                new(new EntityId(EntityKind.ResourcePool, Guid.NewGuid()), null, new CpuControl(), []) { Disk = new DiskControl { IopsLimit = 10 } },
            ];
            var enforcement = new ResourceEnforcement(
                pooled.State, machines, null, new TapShaping(EntityId.Host(Guid.NewGuid())), new UplinkShares(uplink: null, speed: null), _ => null,
                pooled.State.Current.Facts, () => [.. pools])
            {
                TranslationCache = () => Bytes.Zero,
            };
            await using var sampler = new StatisticsSampler(
                EntityId.Host(Guid.NewGuid()), uplink: null, machines, pooled.State, null, TimeProvider.System, TimeSpan.FromSeconds(20));
            var rated = enforcement.Rated;
            var known = await sampler.ReadDevicesAsync(rated.Disks, rated.Nics);
            Assert.Equal(Enumerable.Repeat("query-blockstats", expected), asked);
            Assert.Equal(iops is not null || sent is not null, known.ContainsKey(pooled.Run));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static string Refusal(string why) => $$$"""{"error": {"class": "GenericError", "desc": "{{{why}}}"}}""";
}
