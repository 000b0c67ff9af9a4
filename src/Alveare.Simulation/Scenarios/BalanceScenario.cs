using System.Globalization;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>One seed of hours in the life of a cluster that balances itself: load in waves, hosts that crash, an engine that is killed.</summary>
/// <remarks>What must hold: no host is over its memory, a rule that is kept stays kept, no machine moves more often than its rest allows, every task
/// ends, and once the load stands still so do the machines, on hosts that are no less even than before.</remarks>
public sealed class BalanceScenario
{
    private const long MaxTurns = 20_000_000;

    /// <summary>A machine rests five minutes after a move.</summary>
    private const int MostMovesPerHour = 12;

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    /// <summary>Of statistics.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan LongestTask = TimeSpan.FromHours(1);

    private readonly Scheduler scheduler;
    private readonly World world;
    private readonly ScenarioSite site;
    private readonly EngineRuns engines;
    private readonly Promises promises;
    private readonly RuleWatch rules;
    private readonly DemandWaves demand;
    private readonly int hours;
    private readonly List<string> history = [];
    private readonly HashSet<string> told = [];

    private BalanceScenario(int seed, int hours, bool keepHistory)
    {
        var dice = new Random(seed);
        this.hours = hours;
        scheduler = new Scheduler(dice);
        demand = new DemandWaves(seed);
        world = new World(scheduler, scheduler.Time, dice) { Pace = 1, CpuDemand = demand.Percent };
        if (keepHistory)
            world.Narrator = line => history.Add(string.Create(CultureInfo.InvariantCulture, $"{scheduler.Time.Elapsed.TotalSeconds,9:0.000}  {line}"));
        var shape = new SiteShape(dice.Next(2, 6), dice.Next(4, 16), Bytes.FromGib(16), dice.Next(1, 4));
        site = world.Nature.Enter(() => new ScenarioSite(world, shape));
        engines = new EngineRuns(world, site);
        promises = new Promises(world, site);
        rules = new RuleWatch(world, site, engines);
    }

    /// <summary>Runs one seed on the caller's thread. The same seed gives the same history, always.</summary>
    /// <param name="hours">Simulated hours of changing load.</param>
    public static ScenarioResult Run(int seed, int hours = 4, bool keepHistory = false)
    {
        var scenario = new BalanceScenario(seed, hours, keepHistory);
        try
        {
            scenario.scheduler.Run(scenario.world.Nature, scenario.PlayAsync, MaxTurns);
        }
        catch (Exception e)
        {
            scenario.world.Break($"The scenario broke: {e}");
        }

        return new ScenarioResult(
            seed, scenario.world.Violations, scenario.history, scenario.scheduler.Time.Elapsed, scenario.scheduler.Turns,
            scenario.promises.Succeeded + scenario.told.Count, scenario.promises.Failed, Options: " --balancing");
    }

    private async Task PlayAsync()
    {
        var operators = new Operators(world, site, engines, promises);
        var misfortune = new Misfortune(world, site, engines, promises);
        await engines.StartAsync();
        await world.PauseAsync(5000);
        await SetFullAsync();
        foreach (var operation in rules.Draw().ToList())
            await DoAsync(operation);
        for (var minute = 0; minute < hours * 60 && world.Violations.Count == 0; minute++)
        {
            if (minute % 10 == 0)
                operators.StartAll();
            if (world.Dice.Next(30) == 0)
                misfortune.Strike();
            await WatchAsync();
        }

        await misfortune.MendAsync();
        var quiet = new Quiet(world, site, engines, operators);
        await quiet.AwaitAsync();
        operators.StartAll();
        await StandStillAsync();
        await quiet.AwaitAsync();
        quiet.Check();
    }

    private async Task DoAsync(Operation operation)
    {
        var run = engines.Current!;
        await run.Realm.RunAsync(async () =>
        {
            var task = await run.Engine.Tasks.SubmitAsync(Session.System, operation);
            await run.Engine.Tasks.WaitAsync(task.Id, CancellationToken.None);
        });
    }

    private async Task SetFullAsync()
    {
        var settings = new SetBalancing { Target = site.Cluster!.Value, Mode = BalanceMode.Full, Level = world.Dice.Next(2, 6) };
        await DoAsync(settings);
        world.Tell($"balancing at level {settings.Level}");
    }

    /// <summary>Long enough for what was moved last to be known and rested; then nothing moves any more.</summary>
    private async Task StandStillAsync()
    {
        demand.StandsStillFrom = world.Time.GetUtcNow();
        for (var minute = 0; minute < 15 && world.Violations.Count == 0; minute++)
            await WatchAsync();
        var before = Spread();
        for (var minute = 0; minute < 75 && world.Violations.Count == 0; minute++)
            await WatchAsync();
        var settled = world.Time.GetUtcNow();
        for (var minute = 0; minute < 20 && world.Violations.Count == 0; minute++)
            await WatchAsync();
        if (MovesSince(settled).FirstOrDefault() is { } late)
            world.Break($"{late.Id} moves '{late.TargetName}' though the load has stood still for an hour and a half: {late.Reason}");
        rules.LookAtTheEnd();
        if (Spread() > before + 0.02)
            world.Break($"The hosts are less even ({Spread():0.000}) than when the load stood still ({before:0.000}).");
    }

    private async Task WatchAsync()
    {
        for (var said = TimeSpan.Zero; said < Minute; said += Interval)
        {
            await Task.Delay(Interval, world.Time);
            foreach (var host in site.Site.Hosts)
                host.Agent?.RaiseStatistics();
        }

        foreach (var host in site.Site.Hosts)
        {
            var taken = host.Living.Sum(q => q.Spec.Memory.Value);
            if (taken > host.Facts.MemoryForGuests.Value)
                world.Break($"{host.Name} runs machines of {new Bytes(taken)} and has {host.Facts.MemoryForGuests}.");
        }

        rules.Look();
        foreach (var often in MovesSince(world.Time.GetUtcNow() - TimeSpan.FromHours(1)).GroupBy(t => t.TargetName).Where(g => g.Count() > MostMovesPerHour))
            world.Break($"'{often.Key}' was moved {often.Count()} times in an hour.");
        foreach (var task in Tasks().Where(t => !t.HasEnded && world.Time.GetUtcNow() - t.QueuedAt > LongestTask))
            world.Break($"{task.Id} ({task.Operation} on '{task.TargetName}') has not ended for an hour; its step is '{task.Step}'.");
        foreach (var move in MovesSince(DateTimeOffset.MinValue).Where(t => t.State == TaskState.Succeeded && told.Add($"{engines.Current!.Realm.Name} {t.Id}")))
            world.Tell($"balancing moved {move.TargetName}: {move.Reason}");
        foreach (var task in Tasks().Where(t => t.Fault is InternalError))
            world.Break($"{task.Id} ({task.Operation}) failed by a bug.");
    }

    private IReadOnlyList<TaskRecord> Tasks() => engines.Current?.Engine.Tasks.List() ?? [];

    private IEnumerable<TaskRecord> MovesSince(DateTimeOffset then) =>
        Tasks().Where(t => t.Operation == "vm.migrate" && t.User == "balancing" && t.QueuedAt >= then);

    /// <summary>The sum of both standard deviations over the hosts.</summary>
    private double Spread()
    {
        var figures = ClusterFigures.Of(new ClusterState(new(engines.Current!.Engine.Balancing.Read(site.Cluster!.Value).Snapshot)));
        return figures.SdCpu + figures.SdMem;
    }
}
