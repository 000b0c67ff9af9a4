using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>What goes wrong in a scenario, by the dice; everything is mended after a while but the dead.</summary>
internal sealed class Misfortune(World world, ScenarioSite site, EngineRuns engines, Promises promises)
{
    private readonly HashSet<(Model.EntityId Machine, Model.EntityId Host)> byHand = [];

    private Random Dice => world.Dice;

    private SimulatedSite Site => site.Site;

    public void Strike() => world.Nature.Enter(() => world.Begin("Misfortune", StrikeAsync));

    /// <summary>As <c>kill -9</c>; it is started again soon.</summary>
    public void KillEngine() => world.Nature.Enter(() => world.Begin("Misfortune", KillEngineAsync));

    /// <summary>Whether somebody told this host to start this machine behind the engine's back.</summary>
    public bool HasStarted(Model.EntityId machine, Model.EntityId host) => byHand.Contains((machine, host));

    /// <summary>Mends everything that is broken.</summary>
    public async Task MendAsync()
    {
        world.Tell("everything is mended");
        site.Store.IsFull = false;
        Site.Network.LostAnswers = Site.Network.SlowAnswers = 0;
        Site.Network.HealAll();
        foreach (var datastore in Site.Datastores)
        {
            datastore.IsFull = false;
            foreach (var host in Site.Hosts)
                host.SetLost(datastore, isLost: false);
        }

        foreach (var host in Site.Hosts)
        {
            host.Boot();
            host.StartAgent();
        }

        if (engines.Current is null)
            await engines.StartAsync();
    }

    private Task StrikeAsync() => Dice.Next(15) switch
    {
        0 or 1 => KillAgentAsync(Pick(Site.Hosts)),
        2 => CrashHostAsync(Pick(Site.Hosts)),
        3 or 4 => KillQemuAsync(),
        5 => CutAsync(Network.Center, Pick(Site.Hosts).Id),
        6 or 11 => CutAsync(Site.Hosts[0].Id, Site.Hosts[Dice.Next(1, Site.Hosts.Count)].Id),
        7 or 12 => LoseStorageAsync(Pick(Site.Hosts)),
        8 or 13 => FillStorageAsync(),
        9 => StartElsewhereAsync(),
        10 => FillStoreAsync(),
        _ => KillEngineAsync(),
    };

    private async Task KillAgentAsync(SimulatedHost host)
    {
        host.KillAgent();
        await AWhileAsync(15);
        host.StartAgent();
    }

    private async Task CrashHostAsync(SimulatedHost host)
    {
        foreach (var qemu in host.Living)
            promises.Disturb(qemu.Machine);
        // A start may be under way that has no process yet.
        foreach (var machine in host.Disk.Machines.Keys)
            promises.Disturb(machine);
        host.Crash();
        await AWhileAsync(40);
        host.Boot();
    }

    private Task KillQemuAsync()
    {
        var living = Site.Hosts.SelectMany(h => h.Living.Select(q => (Host: h, Qemu: q))).ToList();
        if (living.Count > 0)
        {
            var (host, qemu) = living[Dice.Next(living.Count)];
            promises.Disturb(qemu.Machine);
            host.KillQemu(qemu.Machine);
        }

        return Task.CompletedTask;
    }

    private async Task CutAsync(Model.EntityId one, Model.EntityId other)
    {
        world.Tell($"the network is cut between {NameOf(one)} and {NameOf(other)}");
        Site.Network.Cut(one, other);
        await AWhileAsync(30);
        world.Tell($"the network between {NameOf(one)} and {NameOf(other)} is mended");
        Site.Network.Heal(one, other);
    }

    private async Task LoseStorageAsync(SimulatedHost host)
    {
        var datastore = Pick(Site.Datastores);
        host.SetLost(datastore, isLost: true);
        await AWhileAsync(30);
        host.SetLost(datastore, isLost: false);
    }

    private async Task FillStorageAsync()
    {
        var datastore = Pick(Site.Datastores);
        world.Tell($"datastore {datastore.Path} is full");
        datastore.IsFull = true;
        await AWhileAsync(60);
        world.Tell($"datastore {datastore.Path} has room again");
        datastore.IsFull = false;
    }

    private async Task FillStoreAsync()
    {
        world.Tell("the engine's store is full");
        site.Store.IsFull = true;
        await AWhileAsync(20);
        world.Tell("the engine's store has room again");
        site.Store.IsFull = false;
    }

    /// <summary>Somebody without a view of the site tells a second host to start a machine that runs: the lock alone can refuse.</summary>
    private async Task StartElsewhereAsync()
    {
        var living = Site.Hosts.SelectMany(h => h.Living).Where(q => q.Executes).ToList();
        if (living.Count == 0)
            return;
        var qemu = Pick(living);
        var other = Pick(Site.Hosts.Where(h => h.Id != qemu.Host).ToList());
        promises.Disturb(qemu.Machine);
        try
        {
            await other.ExecuteAsync(new RegisterMachine(qemu.Config), null, CancellationToken.None);
            byHand.Add((qemu.Machine, other.Id));
            await other.ExecuteAsync(new StartMachine(qemu.Machine, 0), null, CancellationToken.None);
            world.Tell($"{other.Name}: started {qemu.Name} by hand");
        }
        catch (FaultException e)
        {
            world.Tell($"{other.Name}: refused to start {qemu.Name} by hand: {e.Fault.Code}");
        }
    }

    /// <summary>Somebody tells a host to start a machine that runs nowhere.</summary>
    public async Task StartSomethingAsync(Model.EntityId on)
    {
        var host = Site.Hosts.First(h => h.Id == on);
        foreach (var (machine, config) in Site.Hosts.SelectMany(h => h.Disk.Machines).Where(m => Site.Executions.Of(m.Key).Count == 0).OrderBy(m => m.Key).ToList())
        {
            try
            {
                if (!host.Disk.Machines.ContainsKey(machine))
                    await host.ExecuteAsync(new RegisterMachine(config), null, CancellationToken.None);
                await host.ExecuteAsync(new StartMachine(machine, 0), null, CancellationToken.None);
                return;
            }
            catch (FaultException e)
            {
                world.Tell($"{host.Name}: refused to start {config.Path} by hand: {e.Fault.Code}");
            }
        }
    }

    private async Task KillEngineAsync()
    {
        if (engines.Current is null)
            return;
        engines.Kill();
        await AWhileAsync(10);
        await engines.StartAsync();
    }

    private Task AWhileAsync(double seconds) => world.PauseAsync(TimeSpan.FromSeconds(seconds * Dice.NextDouble()));

    private T Pick<T>(IReadOnlyList<T> from) => from[Dice.Next(from.Count)];

    private string NameOf(Model.EntityId id) => Site.Hosts.FirstOrDefault(h => h.Id == id)?.Name ?? "the center";
}
