using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;

namespace Alveare.Simulation.Scenarios;

/// <summary>One seed of hours in the life of a cluster that balances itself: load in waves, hosts that crash, an engine that is killed.</summary>
/// <remarks>What must hold beside what holds in every cluster: a rule that is kept stays kept, and so does what a resource pool promises; no machine moves more often than its rest allows, and once
/// the load stands still so do the machines, on hosts that are no less even than before.</remarks>
public sealed class BalanceScenario : ClusterScenario
{
    private const long MaxTurns = 20_000_000;

    /// <summary>A machine rests five minutes after a move.</summary>
    private const int MostMovesPerHour = 12;

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    /// <summary>Of statistics.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(20);

    private readonly RuleWatch rules;
    private readonly PoolWatch pools;
    private readonly int hours;
    private readonly HashSet<string> told = [];

    private BalanceScenario(int seed, int hours, bool keepHistory)
        : base(seed, DemandWaves.Unlike(seed), dice => new SiteShape(dice.Next(2, 6), dice.Next(4, 16), Bytes.FromGib(16), dice.Next(1, 4)), MaxTurns, keepHistory) =>
        (this.hours, rules, pools) = (hours, new RuleWatch(World, Site, Engines), new PoolWatch(World, Site, Engines, Operators));

    /// <summary>Runs one seed on the caller's thread. The same seed gives the same history, always.</summary>
    /// <param name="hours">Simulated hours of changing load.</param>
    public static ScenarioResult Run(int seed, int hours = 4, bool keepHistory = false)
    {
        var scenario = new BalanceScenario(seed, hours, keepHistory);
        return scenario.Run(" --balancing", () => scenario.told.Count);
    }

    private protected override async Task PlayAsync()
    {
        await Engines.StartAsync();
        await World.PauseAsync(5000);
        await SetFullAsync();
        foreach (var operation in rules.Draw().ToList())
            await DoAsync(operation);
        await pools.SetUpAsync(DoAsync);
        for (var minute = 0; minute < hours * 60 && World.Violations.Count == 0; minute++)
        {
            if (minute % 10 == 5)
                pools.Drain();
            if (minute % 10 == 0)
            {
                pools.Fill();
                Operators.StartAll();
            }

            if (World.Dice.Next(30) == 0)
                Misfortune.Strike();
            await WatchAsync();
        }

        await Misfortune.MendAsync();
        await Quiet.AwaitAsync();
        Operators.StartAll();
        await StandStillAsync();
        await Quiet.AwaitAsync();
        Quiet.Check();
    }

    private async Task SetFullAsync()
    {
        var settings = new SetBalancing { Target = Cluster, Mode = BalanceMode.Full, Level = World.Dice.Next(2, 6) };
        await DoAsync(settings);
        World.Tell($"balancing at level {settings.Level}");
    }

    /// <summary>Long enough for what was moved last to be known and rested; then nothing moves any more.</summary>
    private async Task StandStillAsync()
    {
        Demand.StandsStillFrom = Now;
        for (var minute = 0; minute < 15 && World.Violations.Count == 0; minute++)
            await WatchAsync();
        var before = Spread();
        for (var minute = 0; minute < 75 && World.Violations.Count == 0; minute++)
            await WatchAsync();
        var settled = Now;
        for (var minute = 0; minute < 20 && World.Violations.Count == 0; minute++)
            await WatchAsync();
        if (MovesSince(settled).FirstOrDefault() is { } late)
            World.Break($"{late.Id} moves '{late.TargetName}' though the load has stood still for an hour and a half: {late.Reason}");
        rules.LookAtTheEnd();
        if (Spread() > before + 0.02)
            World.Break($"The hosts are less even ({Spread():0.000}) than when the load stood still ({before:0.000}).");
    }

    private async Task WatchAsync()
    {
        await PassAsync(Minute, Interval);
        LookAtHostsAndTasks();
        rules.Look();
        pools.Look();
        foreach (var often in MovesSince(Now - TimeSpan.FromHours(1)).GroupBy(t => t.TargetName).Where(g => g.Count() > MostMovesPerHour))
            World.Break($"'{often.Key}' was moved {often.Count()} times in an hour.");
        foreach (var move in MovesSince(DateTimeOffset.MinValue).Where(t => t.State == TaskState.Succeeded && told.Add($"{Engines.Current!.Realm.Name} {t.Id}")))
            World.Tell($"balancing moved {move.TargetName}: {move.Reason}");
    }

    private IEnumerable<TaskRecord> MovesSince(DateTimeOffset then) =>
        Tasks().Where(t => t.Operation == "vm.migrate" && t.User == "balancing" && t.QueuedAt >= then);

    /// <summary>The sum of both standard deviations over the hosts.</summary>
    private double Spread()
    {
        var figures = ClusterFigures.Of(new ClusterState(new(Engines.Current!.Engine.Balancing.Read(Cluster).Snapshot)));
        return figures.SdCpu + figures.SdMem;
    }
}
