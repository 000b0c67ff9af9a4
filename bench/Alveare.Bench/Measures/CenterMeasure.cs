using System.Security.Cryptography;
using Alveare.Bench.Report;
using Alveare.Bench.Scale;
using Alveare.Core;
using Alveare.Core.Security;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Sites;
using Microsoft.Extensions.Logging.Abstractions;

namespace Alveare.Bench.Measures;

/// <summary>A center with a thousand simulated machines on four hosts. Its engine runs in this process over its real store, with hosts that report statistics as
/// real ones do, so that their share is in the figures. Then the center's own program is killed and started again on the same store.</summary>
internal static class CenterMeasure
{
    private const int Hosts = 4;
    private const int Machines = 1_000;

    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(60);

    public static async Task<IReadOnlyList<Line>> RunAsync()
    {
        var state = Directory.CreateTempSubdirectory("alveare-bench").FullName;
        try
        {
            var lines = await MeasureEngineAsync(state);
            var restart = await CenterRestart.MeasureAsync(state, Machines);
            return [Line.Limit($"center with {Machines} machines, from its start after kill -9 to serving", restart.TotalMilliseconds, 2_000, "ms"), .. lines];
        }
        finally
        {
            Directory.Delete(state, recursive: true);
        }
    }

    private static async Task<IReadOnlyList<Line>> MeasureEngineAsync(string state)
    {
        await using var store = new SqliteStore(Path.Combine(state, "center.db"));
        var clock = new AdvancedClock();
        var site = SimulatedSite.Open(clock);
        var ids = new IdSource(RandomNumberGenerator.Fill);
        await using (var engine = NewEngine(store, site, clock, ids))
            await FillAsync(engine, site);

        await using var again = NewEngine(store, site, clock, ids);
        await again.StartAsync(CancellationToken.None);
        await StatisticsHour.ReportAsync(site, again, clock);
        GC.Collect();
        var usage = new Usage(Environment.ProcessId);
        await ReportStatisticsAsync(site, rounds: (int)(Watched / StatisticsHour.Interval));
        return
        [
            Line.Limit($"engine with {Machines} machines, CPU", usage.CpuPercent(), 1, "% of a core"),
            Line.Limit($"engine with {Machines} machines, memory (PSS)", usage.MemoryMb(), 250, "MB"),
        ];
    }

    private static Engine NewEngine(SqliteStore store, SimulatedSite site, AdvancedClock clock, IdSource ids) =>
        new(store, site, site, clock, ids, NullLoggerFactory.Instance);

    private static async Task FillAsync(Engine engine, SimulatedSite site)
    {
        await engine.StartAsync(CancellationToken.None);
        site.AddDatastore("/ds");
        var datacenter = await DoAsync(engine, new CreateDatacenter { Target = EntityId.Root, Name = "dc" });
        for (var number = 1; number <= Hosts; number++)
        {
            var host = site.AddHost($"h{number}", Bytes.FromGib(1024));
            await DoAsync(engine, new JoinHost
            {
                Target = datacenter, Address = host.Address, Fingerprint = host.Fingerprint, User = SimulatedSite.User, Password = SimulatedSite.Password,
            });
        }

        var datastore = await DoAsync(engine, new CreateDatastore { Target = datacenter, Name = "ds", Path = "/ds" });
        var hosts = engine.Inventory.Current.OfType<Host>().ToList();
        for (var number = 0; number < Machines; number++)
        {
            var machine = await DoAsync(engine, new CreateVm
            {
                Target = datacenter, Name = $"vm-{number}", Datastore = datastore, Location = hosts[number % Hosts].Id, Disks = [Bytes.FromGib(1)],
            });
            await DoAsync(engine, new PowerOn { Target = machine });
        }
    }

    private static async Task<EntityId> DoAsync(Engine engine, Operation operation)
    {
        var task = await engine.Tasks.SubmitAsync(Session.System, operation);
        var ended = await engine.Tasks.WaitAsync(task.Id, CancellationToken.None);
        return ended.State == TaskState.Succeeded ? ended.Result ?? operation.Target : throw new InvalidOperationException(ended.Fault!.Message);
    }

    private static async Task ReportStatisticsAsync(SimulatedSite site, int rounds)
    {
        for (var round = 0; round < rounds; round++)
        {
            foreach (var host in site.Hosts)
                host.Agent!.RaiseStatistics();
            await Task.Delay(StatisticsHour.Interval);
        }
    }
}
