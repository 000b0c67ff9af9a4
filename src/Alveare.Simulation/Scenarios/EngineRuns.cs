using Alveare.Core;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>The engine of a scenario, which is killed and started again over one store.</summary>
internal sealed class EngineRuns(World world, ScenarioSite site)
{
    private int runs;
    private bool isStarting;

    /// <summary>The engine that serves, or null while there is none.</summary>
    public EngineRun? Current { get; private set; }

    /// <summary>Starts an engine, unless one serves or is being started.</summary>
    public async Task StartAsync()
    {
        if (Current is not null || isStarting)
            return;
        isStarting = true;
        var realm = world.Nature.Beside($"engine {++runs}");
        world.Tell("engine starts");
        var engine = realm.Enter(() => new Engine(site.Store, site.Site, site.Site, world.Time, world.Ids, new ScenarioLog(world)));
        var run = new EngineRun(realm, engine);
        await realm.RunAsync(() => engine.StartAsync(CancellationToken.None));
        world.Tell("engine serves");
        (Current, isStarting) = (run, false);
    }

    /// <summary>As <c>kill -9</c>: nothing of it goes on, and its connections are closed by the kernel.</summary>
    public void Kill()
    {
        if (Current is not { } run)
            return;
        world.Tell("engine killed");
        run.Realm.Kill();
        Current = null;
        site.Store.Crash();
        foreach (var host in site.Site.Hosts)
            host.CloseLinks();
    }
}

/// <summary>One life of the engine.</summary>
internal sealed record EngineRun(Realm Realm, Engine Engine);
