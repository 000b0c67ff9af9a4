using System.Globalization;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>What scenarios of one cluster over hours or days have in common: its site and engine, the passing of time, and what must hold whatever the
/// cluster does by itself: no host is over its memory, none promises more CPU than it has, and every task ends, none by a bug.</summary>
public abstract class ClusterScenario
{
    private static readonly TimeSpan LongestTask = TimeSpan.FromHours(1);

    private readonly int seed;
    private readonly long maxTurns;
    private readonly Scheduler scheduler;
    private readonly Promises promises;
    private readonly List<string> history = [];
    private (EngineRun? Run, HashSet<EntityId> Hosts) overpromised = (null, []);

    private protected ClusterScenario(int seed, DemandWaves demand, Func<Random, SiteShape> shape, long maxTurns, bool keepHistory)
    {
        var dice = new Random(seed);
        (this.seed, this.maxTurns, Demand) = (seed, maxTurns, demand);
        scheduler = new Scheduler(dice);
        World = new World(scheduler, scheduler.Time, dice) { Pace = 1, CpuDemand = demand.Percent };
        if (keepHistory)
            World.Narrator = line => history.Add(string.Create(CultureInfo.InvariantCulture, $"{scheduler.Time.Elapsed.TotalSeconds,9:0.000}  {line}"));
        var drawn = shape(dice);
        Site = World.Nature.Enter(() => new ScenarioSite(World, drawn));
        Engines = new EngineRuns(World, Site);
        promises = new Promises(World, Site);
        Operators = new Operators(World, Site, Engines, promises);
        Misfortune = new Misfortune(World, Site, Engines, promises);
        Quiet = new Quiet(World, Site, Engines, Operators);
    }

    private protected World World { get; }

    private protected ScenarioSite Site { get; }

    private protected EngineRuns Engines { get; }

    private protected DemandWaves Demand { get; }

    private protected Operators Operators { get; }

    private protected Misfortune Misfortune { get; }

    private protected Quiet Quiet { get; }

    private protected EntityId Cluster => Site.Cluster!.Value;

    private protected DateTimeOffset Now => World.Time.GetUtcNow();

    /// <summary>What happens, from the engine's start on.</summary>
    private protected abstract Task PlayAsync();

    /// <summary>Runs it on the caller's thread.</summary>
    /// <param name="options">What its replay needs on the command line.</param>
    /// <param name="done">How many things the cluster did by itself.</param>
    private protected ScenarioResult Run(string options, Func<int> done)
    {
        try
        {
            scheduler.Run(World.Nature, PlayAsync, maxTurns);
        }
        catch (Exception e)
        {
            World.Break($"The scenario broke: {e}");
        }

        return new ScenarioResult(
            seed, World.Violations, history, scheduler.Time.Elapsed, scheduler.Turns, promises.Succeeded + done(), promises.Failed, options);
    }

    /// <summary>The engine does as an administrator says, who waits for it; answers how it ended.</summary>
    private protected async Task<TaskRecord> DoAsync(Operation operation)
    {
        var run = Engines.Current!;
        return await run.Realm.RunAsync(async () =>
        {
            var task = await run.Engine.Tasks.SubmitAsync(Session.System, operation);
            return await run.Engine.Tasks.WaitAsync(task.Id, CancellationToken.None);
        });
    }

    /// <summary>Time passes, in which the hosts say what they carry.</summary>
    /// <param name="interval">Between two statistics of a host.</param>
    private protected async Task PassAsync(TimeSpan time, TimeSpan interval)
    {
        for (var passed = TimeSpan.Zero; passed < time; passed += interval)
        {
            await Task.Delay(interval, World.Time);
            foreach (var host in Site.Site.Hosts)
                host.Agent?.RaiseStatistics();
        }
    }

    /// <summary>Looks at what must hold in every cluster.</summary>
    private protected void LookAtHostsAndTasks()
    {
        foreach (var host in Site.Site.Hosts)
        {
            var taken = host.Living.Sum(q => q.Spec.Memory.Value);
            if (taken > host.Facts.MemoryForGuests.Value)
                World.Break($"{host.Name} runs machines of {new Bytes(taken)} and has {host.Facts.MemoryForGuests}.");
        }

        LookAtReservations();
        foreach (var task in Tasks())
        {
            if (!task.HasEnded && Now - task.QueuedAt > LongestTask)
                World.Break($"{task.Id} ({task.Operation} on '{task.TargetName}') has not ended for an hour; its step is '{task.Step}'.");
            if (task.Fault is InternalError)
                World.Break($"{task.Id} ({task.Operation}) failed by a bug.");
        }
    }

    // What an engine promised that was killed in the middle of a start is not known to the next one. Of memory there is no such promise: a machine that runs has it all.
    private void LookAtReservations()
    {
        var now = new HashSet<EntityId>();
        foreach (var host in Site.Site.Hosts)
        {
            var promised = new Megahertz(host.Living.Sum(q => q.Spec.Resources.Cpu.Reservation.Value));
            if (promised.Value <= host.Facts.CpuCapacity.Value)
                continue;
            now.Add(host.Id);
            if (Engines.Current is { } run && run == overpromised.Run && !overpromised.Hosts.Contains(host.Id))
                World.Break($"{host.Name} promises its machines {promised} and has {host.Facts.CpuCapacity}: {string.Join(", ", host.Living.Select(q => q.Name))}.");
        }

        overpromised = (Engines.Current, now);
    }

    private protected IReadOnlyList<TaskRecord> Tasks() => Engines.Current?.Engine.Tasks.List() ?? [];
}
