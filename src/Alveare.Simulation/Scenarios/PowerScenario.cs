using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Sites;

namespace Alveare.Simulation.Scenarios;

/// <summary>One seed of days and nights of a cluster that saves power: by night little is asked for, hosts go to standby, and are woken in the morning;
/// some wakes come to nothing, hosts crash, and the engine is killed.</summary>
/// <remarks>What must hold beside what holds in every cluster: nothing runs on a host that sleeps, no machine is short of CPU and no reserve for a
/// failure is missing for long while a host sleeps that could be woken, no host goes back and forth, every host wakes or is reported, and no rule is
/// broken by emptying a host or filling it again.</remarks>
public sealed class PowerScenario : ClusterScenario
{
    private const long MaxTurns = 20_000_000;

    /// <summary>One for the night, and others for a burst, a host that failed, and somebody who presses the button of one that sleeps.</summary>
    private const int MostStandbysPerDay = 4;

    /// <summary>A short one: it is long beside the patience with which hosts sleep and wake, and cheap.</summary>
    private static readonly TimeSpan Day = TimeSpan.FromHours(6);

    /// <summary>Of statistics, of balancing, and of looking: coarse, so that days are cheap.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(90);

    private static readonly TimeSpan Round = TimeSpan.FromMinutes(6);

    /// <summary>A need is seen in a round, patience is had with it, and the engine may be killed while it wakes a host; then once more, but three times the
    /// wake comes to nothing; then it is another host's turn, and machines move.</summary>
    private static readonly TimeSpan LongestNeed = TimeSpan.FromMinutes(60);

    private readonly PowerWatch watch;
    private readonly RuleWatch rules;
    private readonly int days;
    private readonly ClusterDefect defect;

    private PowerScenario(int seed, int days, ClusterDefect defect, bool keepHistory)
        : base(seed, DemandWaves.WithNights(seed, Day), Shape, MaxTurns, keepHistory) =>
        (this.days, this.defect, watch, rules) = (
            days, defect, new PowerWatch(World, Site, Engines, Demand, LongestNeed, Day, MostStandbysPerDay), new RuleWatch(World, Site, Engines));

    /// <summary>Runs one seed on the caller's thread. The same seed gives the same history, always.</summary>
    /// <param name="defect">What is made wrong on purpose.</param>
    public static ScenarioResult Run(int seed, int days = 2, ClusterDefect defect = ClusterDefect.None, bool keepHistory = false)
    {
        var scenario = new PowerScenario(seed, days, defect, keepHistory);
        return scenario.Run(" --power", () => scenario.watch.Standbys);
    }

    private protected override async Task PlayAsync()
    {
        await Engines.StartAsync();
        await World.PauseAsync(5000);
        await SetUpAsync();
        var end = Now + (days * Day);
        for (var round = 0; Now < end && World.Violations.Count == 0; round++)
        {
            if (round % 30 == 0)
                Operators.StartAll();
            if (World.Dice.Next(8) == 0)
                Operators.StopSomething();
            if (World.Dice.Next(20) == 0)
                Misfortune.Strike();
            Err();
            await PassAsync(Round, Interval);
            LookAtHostsAndTasks();
            watch.Look();
            rules.Look();
        }

        await EndAsync();
    }

    // At noon all that there is is about enough, at night one host in three; where machines are large their memory keeps more on, and one that starts may find
    // no room.
    private static SiteShape Shape(Random dice)
    {
        var hosts = dice.Next(3, 6);
        return new SiteShape(hosts, dice.Next(hosts, 2 * hosts), Bytes.FromGib(16), dice.Next(1, 11), CpuThreads: 2);
    }

    private async Task SetUpAsync()
    {
        await DoAsync(new SetBalancing { Target = Cluster, Mode = BalanceMode.Full, Level = World.Dice.Next(3, 6), Interval = Round / 2 });
        foreach (var host in Site.Site.Hosts)
        {
            if (World.Dice.Next(8) > 0)
                await DoAsync(WayToWake(host));
        }

        // Three that must be together ask for more at noon than a host has.
        foreach (var operation in rules.Draw(mostTogether: 2).ToList())
            await DoAsync(operation);
        var settings = new SetPowerSaving
        {
            Target = Cluster,
            Mode = defect == ClusterDefect.HostsAreNotWoken ? PowerSavingMode.Off : PowerSavingMode.Automatic,
            KeepsSpare = World.Dice.Next(2) == 0,
            LeastHosts = World.Dice.Next(1, 3),
            StandbyAfter = TimeSpan.FromMinutes(World.Dice.Next(20, 61)),
            WakeAfter = TimeSpan.FromMinutes(World.Dice.Next(3, 8)),
        };
        await DoAsync(settings);
        Site.Site.Power.FailedWakes = World.Dice.Next(3) * 20;
        if (World.Dice.Next(4) == 0)
            Site.Site.Power.Broken.Add(Site.Site.Hosts[World.Dice.Next(Site.Site.Hosts.Count)].Id);
        World.Tell($"power saving: {settings}");
    }

    private SetHostPower WayToWake(SimulatedHost host) => World.Dice.Next(2) == 0
        ? new() { Target = host.Id, WakeOnLan = new(host.Card) }
        : new() { Target = host.Id, Redfish = new(SimulatedSite.ControllerOf(host), SimulatedSite.User, host.Fingerprint[..64]), Password = SimulatedSite.Password };

    /// <summary>Does now what the defect does again and again.</summary>
    private void Err()
    {
        if (Engines.Current is not { } run)
            return;
        var hosts = run.Engine.Inventory.Current.Children<Host>(Cluster).OrderBy(h => h.Id).ToList();
        if (defect == ClusterDefect.HostsAreNotWoken && hosts[World.Dice.Next(hosts.Count)] is { Standby: HostStandby.None } awake)
            Operators.Ask(new EnterStandby { Target = awake.Id });
        if (defect == ClusterDefect.HostsGoBackAndForth)
            Operators.Ask(hosts[0].Standby == HostStandby.In ? new ExitStandby { Target = hosts[0].Id } : new EnterStandby { Target = hosts[0].Id });
    }

    /// <summary>Nothing is saved any more, and every host that sleeps is woken: it comes, or its task says that it does not.</summary>
    private async Task EndAsync()
    {
        if (World.Violations.Count > 0)
            return;
        // What the last misfortune took comes back within a minute.
        await PassAsync(Round, Interval);
        await Engines.StartAsync();
        await DoAsync(new SetPowerSaving { Target = Cluster, Mode = PowerSavingMode.Off });
        await PassAsync(LongestNeed, Interval);
        foreach (var host in Engines.Current!.Engine.Inventory.Current.Children<Host>(Cluster).Where(h => h.Standby != HostStandby.None).ToList())
            await WakeAsync(host);
        await Misfortune.MendAsync();
        await Quiet.AwaitAsync();
        foreach (var host in Engines.Current!.Engine.Inventory.Current.Children<Host>(Cluster).Where(h => h.Standby != HostStandby.None))
            World.Break($"'{host.Name}' is up and counts as {host.Standby}.");
        Quiet.Check();
        rules.Look();
    }

    private async Task WakeAsync(Host host)
    {
        var woken = await DoAsync(new ExitStandby { Target = host.Id });
        var after = Engines.Current!.Engine.Inventory.Current.Get<Host>(host.Id);
        var isFine = woken.State == TaskState.Succeeded
            ? after is { Standby: HostStandby.None, Connection: HostConnection.Connected }
            : woken.Fault is HostNotWoken && after is { Standby: HostStandby.In, FailedWakes: >= Host.MostFailedWakes };
        if (!isFine)
            World.Break($"'{host.Name}' was to be woken: {woken.State} ({woken.Fault?.Message ?? "no fault"}), and is {after.Standby}, {after.Connection} after {after.FailedWakes} wakes that failed.");
    }
}
