using Alveare.Cluster.Tests.Cluster;
using Alveare.Wire.Rest;
using Xunit;

namespace Alveare.Cluster.Tests.Migration;

/// <summary>More live migrations at once than a host takes part in.</summary>
[Collection(ClusterCollection.Name)]
public sealed class QueueTests(TestCluster cluster) : IAsyncLifetime
{
    private const int Slots = 8;

    private readonly List<VmDto> _machines = [];

    private static string From => "h1";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await cluster.MendAsync();
        for (var n = 1; n <= Slots + 1; n++)
            _machines.Add(await TickingMachine.StartAsync(cluster.Plan, cluster.Site, $"tick{n}", From));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var vm in _machines)
        {
            await cluster.FreeAsync(vm.Name);
            await cluster.Site.RunAsync("vm.destroy", vm.Id, new() { ["powerOff"] = true });
        }
    }

    [Fact]
    public async Task OfNineMigrationsFromOneHostEightRunAndTheLastWaitsAndAllArrive()
    {
        var processes = _machines.Select(m => cluster.QemuOn(From, m)).ToArray();
        Assert.All(processes, Assert.NotNull);

        // Two targets: it is the source whose places are taken. Slow enough that the first is not done before the last has begun.
        var tasks = await Task.WhenAll(_machines.Select((m, n) => cluster.Site.StartMigrationAsync(m.Id, TargetOf(n), bandwidthLimit: 2_000_000)));

        var (seen, now) = (new HashSet<(int Running, int Waiting)>(), Array.Empty<TaskDto>());
        await Until.TrueAsync(
            async () =>
            {
                now = [.. (await cluster.Site.Client.ListAsync<TaskDto>("tasks", Cancellation)).Where(t => tasks.Any(mine => mine.Id == t.Id))];
                seen.Add((now.Count(t => t.State == "running"), now.Count(t => t is { State: "queued", Step: not null } && t.Step.Contains($"at most {Slots} migrations"))));
                return now.Length == tasks.Length && Array.TrueForAll(now, t => t.HasEnded);
            },
            () => $"all have ended: {string.Join("; ", now.Select(t => $"{t.TargetName} is {t.State}, {t.Step}"))}");

        Assert.Contains((Slots, 1), seen);
        Assert.All(now, t => Assert.True(t.State == "succeeded", t.Fault?.Message));
        for (var n = 0; n < _machines.Count; n++)
        {
            var machine = _machines[n];
            Assert.Equal([TargetOf(n)], cluster.HostsWithQemu(machine));
            Assert.False(processes[n]!.IsAlive);
            var count = TickingMachine.CountOf(cluster.Plan, machine.Name);
            await Until.TrueAsync(() => TickingMachine.CountOf(cluster.Plan, machine.Name) > count, () => $"the guest of {machine.Name} goes on");
        }
    }

    private static string TargetOf(int machine) => machine % 2 == 0 ? "h2" : "h3";
}
