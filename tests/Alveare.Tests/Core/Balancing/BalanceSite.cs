using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Statistics;
using Alveare.Model.Tasks;
using Alveare.Tests.Core.Machines;

namespace Alveare.Tests.Core.Balancing;

/// <summary>A cluster of simulated hosts whose statistics the test tells, and whose time it pushes on.</summary>
internal sealed class BalanceSite(MachineSite site, PushedTime time) : IAsyncDisposable
{
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(20);

    public MachineSite Site => site;

    public PushedTime Time => time;

    public IReadOnlyList<Recommendation> Recommended => site.Engine.Balancing.RecommendationsOf(site.Cluster);

    public IReadOnlyList<TaskRecord> Migrations => [.. site.Engine.Tasks.List().Where(t => t.Operation == "vm.migrate")];

    /// <summary>The first host has all the machines; the loop itself sleeps unless a test wakes it.</summary>
    public static async Task<BalanceSite> OpenAsync(BalanceMode mode, int hosts = 3, int machines = 8, int level = 3, PushedTime? time = null)
    {
        time ??= new PushedTime();
        var site = await MachineSite.OpenAsync(hosts, time: time);
        var balanced = new BalanceSite(site, time);
        await site.SucceedAsync(new SetBalancing { Target = site.Cluster, Mode = mode, Level = level, Interval = BalanceSettings.MaxInterval });
        for (var n = 1; n <= machines; n++)
            await site.CreateAsync($"vm{n}", host: 1, on: true);
        return balanced;
    }

    public int CountOn(int host) => site.Now.OfType<VirtualMachine>().Count(v => v.Host == site.Host(host));

    public VirtualMachine Vm(string name) => site.Vm(name);

    /// <summary>Statistics of every host for so long, one sample each 20 s.</summary>
    /// <param name="dated">What the hosts' clocks say; by default they are right.</param>
    /// <param name="readyPercent">What the machines' CPUs waited for, the mean of each; by default for nothing.</param>
    public void Tell(TimeSpan span, Func<VirtualMachine, double> cpuPercent, Func<Host, DateTimeOffset>? dated = null, Func<VirtualMachine, double>? readyPercent = null)
    {
        for (var told = TimeSpan.Zero; told < span; told += Step)
        {
            foreach (var host in site.Now.OfType<Host>())
            {
                var at = dated?.Invoke(host) ?? time.GetUtcNow();
                var running = site.Now.OfType<VirtualMachine>().Where(v => v.Host == host.Id && v.Power == PowerState.On);
                site.Engine.Statistics.Add(new StatisticsSampled(
                    new HostSample { Host = host.Id, At = at },
                    [
                        .. running.Select(v => new MachineSample
                        {
                            Machine = v.Id,
                            At = at,
                            CpuPercent = cpuPercent(v),
                            CpuReadyPercent = readyPercent?.Invoke(v) ?? 0,
                            MemoryConsumed = Bytes.FromMib(400),
                            MemoryActive = Bytes.FromMib(100),
                        }),
                    ]));
            }

            time.Push(Step);
        }
    }

    /// <summary>The engine is killed once this is on disk, and started again; then it has heard of every host.</summary>
    public async Task RestartAsync(string kind)
    {
        using var limit = new CancellationTokenSource(Patience.Longest);
        while (site.Store.Load(kind).Count == 0)
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        await site.KillAndRestartAsync();
        await site.UntilAsync(
            now => now.OfType<Host>().All(h => h.Connection == HostConnection.Connected) && now.OfType<VirtualMachine>().All(v => !v.IsStale), "all hosts have reported");
    }

    public Task<TaskRecord> BalanceAsync() => site.SucceedAsync(new BalanceCluster { Target = site.Cluster });

    public ValueTask DisposeAsync() => site.DisposeAsync();
}
