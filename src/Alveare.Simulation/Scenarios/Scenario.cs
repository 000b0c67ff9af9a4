using System.Globalization;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>One seed: a small site, the real engine over it, operations and misfortunes by the dice, and the invariants.</summary>
public sealed class Scenario
{
    private const long MaxTurns = 200_000;

    private readonly int seed;
    private readonly Scheduler scheduler;
    private readonly World world;
    private readonly ScenarioSite site;
    private readonly EngineRuns engines;
    private readonly Promises promises;
    private readonly List<string> history = [];

    private Scenario(int seed, bool keepHistory, Defect defect)
    {
        this.seed = seed;
        var dice = new Random(seed);
        scheduler = new Scheduler(dice);
        world = new World(scheduler, scheduler.Time, dice) { Pace = 1, Defect = defect };
        if (keepHistory)
            world.Narrator = line => history.Add(string.Create(CultureInfo.InvariantCulture, $"{scheduler.Time.Elapsed.TotalSeconds,9:0.000}  {line}"));
        site = world.Nature.Enter(() => new ScenarioSite(world));
        engines = new EngineRuns(world, site);
        promises = new Promises(world, site);
    }

    /// <summary>Runs one seed on the caller's thread. The same seed gives the same history, always.</summary>
    public static ScenarioResult Run(int seed, bool keepHistory = false, Defect defect = Defect.None)
    {
        var scenario = new Scenario(seed, keepHistory, defect);
        try
        {
            scenario.scheduler.Run(scenario.world.Nature, scenario.PlayAsync, MaxTurns);
        }
        catch (SchedulingException e)
        {
            scenario.world.Break(e.Message);
        }
        catch (Exception e)
        {
            scenario.world.Break($"The scenario broke: {e}");
        }

        return new ScenarioResult(
            seed, scenario.world.Violations, scenario.history, scenario.scheduler.Time.Elapsed, scenario.scheduler.Turns,
            scenario.promises.Succeeded, scenario.promises.Failed);
    }

    private async Task PlayAsync()
    {
        var operators = new Operators(world, site, engines, promises);
        var misfortune = new Misfortune(world, site, engines, promises);
        world.Begin("The watch over switches", new SwitchWatch(world, site.Site).RunAsync);
        await engines.StartAsync();
        await world.PauseAsync(500);
        operators.StartAll();
        await world.PauseAsync(500);
        site.Site.Network.LostAnswers = world.Dice.Next(3) == 0 ? 8 : 0;
        site.Site.Network.SlowAnswers = world.Dice.Next(3) == 0 ? 8 : 0;
        var steps = world.Dice.Next(4, 10);
        for (var step = 0; step < steps && world.Violations.Count == 0; step++)
            await StepAsync(operators, misfortune);
        // What is broken may stay so longer than anybody does anything about it.
        await world.PauseAsync(world.Dice.Next(4) == 0 ? 20_000 : 2000);
        await misfortune.MendAsync();
        var quiet = new Quiet(world, site, engines, operators);
        await quiet.AwaitAsync();
        if (engines.Current is not { } run)
        {
            world.Break($"Seed {seed} ended without an engine.");
            return;
        }

        quiet.Check();
        promises.CheckAtTheEnd(run);
    }

    private async Task StepAsync(Operators operators, Misfortune misfortune)
    {
        switch (world.Dice.Next(8))
        {
            // The moments of a migration are short and matter most: misfortune is given a good chance to hit one.
            case 0 or 1 or 2 when operators.MoveSomething():
                await world.PauseAsync(800 * world.Dice.NextDouble());
                misfortune.Strike();
                await world.PauseAsync(300);
                break;
            case 3:
                misfortune.Strike();
                await world.PauseAsync(1000);
                break;
            default:
                operators.DoSomething();
                await world.PauseAsync(world.Dice.Next(6) == 0 ? 10_000 : 400);
                break;
        }
    }
}
