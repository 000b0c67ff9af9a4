using Alveare.Core.Balancing;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;

namespace Alveare.Simulation.Scenarios;

/// <summary>One seed of days in the life of a cluster that balances itself: load in waves, machines that are promised nearly all that there is, hosts that go into
/// maintenance, hosts that crash, an engine that is killed.</summary>
/// <remarks>What must hold beside what holds in every cluster: a rule that is kept stays kept, and so does what a resource pool promises; a host in maintenance runs
/// nothing; no machine moves more often than its rest allows, and once the load stands still so do the machines, on hosts that are as even as the level asks for, or
/// as moves that are worth it can make them.</remarks>
public sealed class BalanceScenario : ClusterScenario
{
    private const long MaxTurns = 20_000_000;

    /// <summary>A machine rests five minutes after a move.</summary>
    private const int MostMovesPerHour = 12;

    /// <summary>A short one: it is long beside the pace of balancing, and cheap.</summary>
    private static readonly TimeSpan Day = TimeSpan.FromHours(6);

    /// <summary>Of statistics, and of looking: coarse, so that days are cheap.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan Round = TimeSpan.FromMinutes(6);

    /// <summary>A slow link, and guests that write as much as they have meanwhile: a move that is worth it even so is worth it.</summary>
    private static readonly MoveTerms Dear = new(MbPerSecond: 50, Load: new(2), GhzWhileMoving: 5, new Dictionary<string, double>());

    private readonly RuleWatch rules;
    private readonly PoolWatch pools;
    private readonly MaintenanceWatch maintenance;
    private readonly int days;
    private readonly ClusterDefect defect;
    private readonly HashSet<(EngineRun, string)> told = [];

    private BalanceScenario(int seed, int days, ClusterDefect defect, bool keepHistory)
        : base(seed, DemandWaves.Unlike(seed, Day), Shape, MaxTurns, keepHistory) =>
        (this.days, this.defect, rules, pools, maintenance) = (
            days, defect, new RuleWatch(World, Site, Engines), new PoolWatch(World, Site, Engines, Operators), new MaintenanceWatch(World, Site, Engines, Operators, Misfortune));

    /// <summary>Runs one seed on the caller's thread. The same seed gives the same history, always.</summary>
    /// <param name="days">Simulated days, of six hours each, of changing load.</param>
    /// <param name="defect">What is made wrong on purpose.</param>
    public static ScenarioResult Run(int seed, int days = 2, ClusterDefect defect = ClusterDefect.None, bool keepHistory = false)
    {
        var scenario = new BalanceScenario(seed, days, defect, keepHistory);
        return scenario.Run(" --balancing", () => scenario.told.Count);
    }

    private protected override async Task PlayAsync()
    {
        if (defect == ClusterDefect.RoomIsOverpromised)
            OverstateHosts();
        await Engines.StartAsync();
        await World.PauseAsync(5000);
        await SetUpAsync();
        var end = Now + (days * Day);
        for (var round = 0; Now < end && World.Violations.Count == 0; round++)
        {
            if (round % 5 == 2)
                pools.Drain();
            if (round % 5 == 0)
            {
                pools.Fill();
                Operators.StartAll();
            }

            if (World.Dice.Next(6) == 0)
                Misfortune.Strike();
            maintenance.Act();
            await WatchAsync(Round);
        }

        await Misfortune.MendAsync();
        maintenance.EndAll();
        await Quiet.AwaitAsync();
        maintenance.EndAll();
        Operators.StartAll();
        await StandStillAsync();
        await Quiet.AwaitAsync();
        Quiet.Check();
    }

    private static SiteShape Shape(Random dice) => new(dice.Next(2, 6), dice.Next(4, 16), Bytes.FromGib(16), dice.Next(1, 6), CpuThreads: dice.Next(2, 9));

    private async Task SetUpAsync()
    {
        var settings = new SetBalancing
        {
            Target = Cluster,
            Mode = defect == ClusterDefect.NothingIsMoved ? BalanceMode.Manual : BalanceMode.Full,
            Level = World.Dice.Next(2, 6),
            Interval = Round / 2,
        };
        await DoAsync(settings);
        World.Tell($"balancing at level {settings.Level}");
        await ReserveAsync();
        var drawn = rules.Draw().ToList();
        foreach (var operation in drawn)
            await DoAsync(operation);
        rules.Look();
        foreach (var rule in drawn.OfType<CreateRule>().Where(_ => defect == ClusterDefect.RulesAreIgnored))
            await DoAsync(new RemoveRule { Target = Cluster, Name = rule.Name });
        await pools.SetUpAsync(DoAsync);
        foreach (var pool in Engines.Current!.Engine.Inventory.Current.OfType<ResourcePool>().Where(_ => defect == ClusterDefect.PoolsExpand))
            await DoAsync(new UpdatePool { Target = pool.Id, CpuExpandable = true });
    }

    /// <summary>All machines together are promised about what all hosts have, each as much as it could use at most.</summary>
    private async Task ReserveAsync()
    {
        var machines = Engines.Current!.Engine.Inventory.Current.OfType<VirtualMachine>().Where(v => !v.IsTemplate).OrderBy(v => v.Id).ToList();
        var fairShare = Site.Site.Hosts.Sum(h => h.Facts.CpuCapacity.Value) / (double)machines.Count;
        foreach (var vm in machines)
        {
            var most = Site.Site.Hosts[0].Facts.CpuClock.Value * vm.Spec!.Cpus;
            await DoAsync(new SetResources { Target = vm.Id, CpuReservation = new(Math.Min(most, (long)(fairShare * 2 * World.Dice.NextDouble()))) });
        }
    }

    /// <summary>Long enough for what was moved last to be known and rested; then nothing moves any more.</summary>
    private async Task StandStillAsync()
    {
        Demand.StandsStillFrom = Now;
        await WatchAsync(TimeSpan.FromMinutes(15));
        var before = Spread();
        await WatchAsync(TimeSpan.FromMinutes(75));
        var settled = Now;
        await WatchAsync(TimeSpan.FromMinutes(20));
        if (MovesSince(settled).FirstOrDefault() is { } late)
            World.Break($"{late.Id} moves '{late.TargetName}' though the load has stood still for an hour and a half: {late.Reason}");
        rules.LookAtTheEnd();
        if (Spread() > before + 0.02)
            World.Break($"The hosts are less even ({Spread():0.000}) than when the load stood still ({before:0.000}).");
        LookWhetherEven();
    }

    private async Task WatchAsync(TimeSpan time)
    {
        for (var end = Now + time; Now < end && World.Violations.Count == 0;)
        {
            await PassAsync(Interval, Interval);
            await ErrAsync();
            LookAtHostsAndTasks();
            rules.Look();
            pools.Look();
            maintenance.Look();
            var moves = MovesSince(Now - TimeSpan.FromHours(1)).ToList();
            foreach (var often in moves.CountBy(t => t.TargetName).Where(g => g.Value > MostMovesPerHour))
                World.Break($"'{often.Key}' was moved {often.Value} times in an hour.");
            foreach (var move in moves.Where(t => t.State == TaskState.Succeeded && told.Add((Engines.Current!, t.Id))))
                World.Tell($"balancing moved {move.TargetName}: {move.Reason}");
        }
    }

    private IEnumerable<TaskRecord> MovesSince(DateTimeOffset then) =>
        Tasks().TakeWhile(t => t.QueuedAt >= then).Where(t => t.Operation == "vm.migrate" && t.User == ClusterBalancing.Hand.User);

    /// <summary>The sum of both standard deviations over the hosts.</summary>
    private double Spread()
    {
        var figures = ClusterFigures.Of(new ClusterState(new(Engines.Current!.Engine.Balancing.Read(Cluster).Snapshot)));
        return figures.SdCpu + figures.SdMem;
    }

    /// <summary>Hosts are less even than their level asks for only where no move is worth it.</summary>
    private void LookWhetherEven()
    {
        var reading = Engines.Current!.Engine.Balancing.Read(Cluster);
        var cluster = new Planning.Clusters.Cluster(reading.Snapshot.WithStaying(v => reading.Stays.ContainsKey(v.Id)));
        var (figures, level) = (ClusterFigures.Of(new ClusterState(cluster)), BalanceLevel.Of(reading.Cluster.Balancing.Level));
        var goal = level.GoalIn(cluster);
        if (figures.SdCpu <= goal && figures.SdMem <= goal)
            return;
        var units = MoveUnits.Of(cluster, cluster.Start).Cluster;
        foreach (var move in CostBenefit.Worthwhile(units, Balancer.Moves(units, level, isThorough: false), Dear with { SteadySeconds = reading.SteadySeconds }))
        {
            World.Break(
                $"The hosts are not as even (CPU {figures.SdCpu:0.000}, memory {figures.SdMem:0.000}) as level {level.Number} asks for ({goal}), and '{move.Move.Vm}' could go from {move.Move.From} to {move.Move.To}: {move.Move.Reason}; it brings {move.Gain:0} GHz s and costs {move.Cost:0} at most.");
        }
    }

    /// <summary>Each host says that it is four times as large.</summary>
    private void OverstateHosts()
    {
        foreach (var host in Site.Site.Hosts)
        {
            host.Says = host.Facts with { Memory = new(host.Facts.Memory.Value * 4), CpuThreads = host.Facts.CpuThreads * 4 };
            host.KillAgent();
            host.StartAgent();
        }
    }

    /// <summary>Does now what the defect does again and again.</summary>
    private async Task ErrAsync()
    {
        if (Engines.Current is not { } run)
            return;
        var now = run.Engine.Inventory.Current;
        if (defect == ClusterDefect.RestIsIgnored && now.OfType<VirtualMachine>().Where(v => v.Power == PowerState.On).OrderBy(v => v.Id).FirstOrDefault() is { BusyTask: null } vm)
            Operators.Ask(new MigrateVm { Target = vm.Id }, ClusterBalancing.Hand);
        if (defect == ClusterDefect.MaintenanceIsIgnored && now.Children<Host>(Cluster).FirstOrDefault(h => h.Maintenance == HostMaintenance.In) is { } host)
            await Misfortune.StartSomethingAsync(host.Id);
    }
}
