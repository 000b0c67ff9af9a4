using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>Hosts of a scenario's cluster that go into maintenance by the dice, one that somebody chose or all in turn, and out again; now and then that is
/// cancelled, or the engine is killed in the middle. Watched by what executes, whatever anybody says of it.</summary>
internal sealed class MaintenanceWatch(World world, ScenarioSite site, EngineRuns engines, Operators operators, Misfortune misfortune)
{
    private const string Enter = "host.enter-maintenance";
    private const string Exit = "host.exit-maintenance";
    private const string Roll = "cluster.rolling-maintenance";

    /// <summary>An engine that starts again mends what the one before left, once it can write.</summary>
    private static readonly TimeSpan LongestMending = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan LongestHold = TimeSpan.FromMinutes(4);

    private readonly HashSet<EntityId> wanted = [];
    private readonly Dictionary<string, DateTimeOffset> since = new(StringComparer.Ordinal);

    private EntityId Cluster => site.Cluster!.Value;

    private Random Dice => world.Dice;

    /// <summary>Something that the dice choose, or nothing.</summary>
    public void Act()
    {
        if (engines.Current is not { } run)
            return;
        var hosts = HostsOf(run);
        foreach (var host in hosts.Where(h => h.Maintenance == HostMaintenance.In && wanted.Contains(h.Id) && Dice.Next(4) == 0))
            End(host.Id);
        var running = hosts.Where(h => h.Maintenance == HostMaintenance.None).ToList();
        if (running.Count > 1 && Dice.Next(6) == 0)
            world.Nature.Enter(() => world.Begin("Maintenance", () => BeginAsync(running[Dice.Next(running.Count)].Id)));
    }

    /// <summary>Nothing is in maintenance any more, once what this asks for has been done.</summary>
    public void EndAll()
    {
        operators.Cancel(Roll);
        if (engines.Current is { } run)
        {
            foreach (var host in HostsOf(run).Where(h => h.Maintenance == HostMaintenance.In))
                End(host.Id);
        }
    }

    /// <summary>Looks once.</summary>
    public void Look()
    {
        if (engines.Current is not { } run)
            return;
        var (tasks, hosts) = (run.Engine.Tasks.List(), HostsOf(run));
        foreach (var host in hosts)
        {
            var isDone = tasks.Any(t => !t.HasEnded && (t.Operation == Roll || (t.Target == host.Id && t.Operation is Enter or Exit)));
            LastsNot($"'{host.Name}' goes into maintenance, and no task makes it so", host.Maintenance is HostMaintenance.Next or HostMaintenance.Entering && !isDone);
            LastsNot(
                $"'{host.Name}' is in maintenance, and nobody wants it there",
                host.Maintenance == HostMaintenance.In && !isDone && !wanted.Contains(host.Id) && !IsSaidToBeLeft(run, tasks));
            if (host.Maintenance == HostMaintenance.In)
                LookAtEmpty(host);
            else if (!isDone)
                wanted.Remove(host.Id);
        }
    }

    // Why a roll left a host in maintenance it says itself.
    private static bool IsSaidToBeLeft(EngineRun run, IReadOnlyList<TaskRecord> tasks) =>
        tasks.Any(t => t.Fault is HostsLeftInMaintenance) || run.Engine.Events.Since(0).Any(e => e.Kind == "cluster.left-in-maintenance");

    private void LookAtEmpty(Host host)
    {
        foreach (var qemu in site.Site.Hosts.First(h => h.Id == host.Id).Living.Where(q => q.Executes && !misfortune.HasStarted(q.Machine, host.Id)))
            world.Break($"'{host.Name}' is in maintenance, and '{qemu.Name}' executes there.");
    }

    private async Task BeginAsync(EntityId host)
    {
        if (Dice.Next(4) > 0)
        {
            wanted.Add(host);
            operators.Ask(new EnterMaintenance { Target = host });
        }
        else
        {
            operators.Ask(new RollingMaintenance { Target = Cluster, AtOnce = Dice.Next(1, 3), Hold = LongestHold * Dice.NextDouble() });
        }

        var fate = Dice.Next(8);
        await world.PauseAsync(TimeSpan.FromSeconds(60 * Dice.NextDouble()));
        if (fate == 0)
            operators.Cancel(Enter, Roll);
        if (fate == 1)
            misfortune.KillEngine();
    }

    // It may be refused: the host is wanted there until it is out.
    private void End(EntityId host) => operators.Ask(new ExitMaintenance { Target = host });

    private List<Host> HostsOf(EngineRun run) => [.. run.Engine.Inventory.Current.Children<Host>(Cluster)];

    /// <summary>What is wrong for a moment is not so for long.</summary>
    private void LastsNot(string wrong, bool isSo)
    {
        var moment = world.Time.GetUtcNow();
        if (!isSo)
            since.Remove(wrong);
        else if (!since.TryAdd(wrong, moment) && moment - since[wrong] > LongestMending)
            world.Break($"For more than {LongestMending.TotalMinutes:0} minutes {wrong}.");
    }
}
