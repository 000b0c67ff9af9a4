using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Tasks;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>Watches a cluster whose hosts sleep and wake, by what is so and not by what anybody says of it.</summary>
/// <param name="longestNeed">A need that a host which sleeps could meet lasts so long at most.</param>
/// <param name="mostStandbys">Of one host in a day.</param>
internal sealed class PowerWatch(World world, ScenarioSite site, EngineRuns engines, DemandWaves demand, TimeSpan longestNeed, TimeSpan day, int mostStandbys)
{
    private readonly Dictionary<string, DateTimeOffset> since = new(StringComparer.Ordinal);
    private readonly HashSet<string> told = new(StringComparer.Ordinal);

    private HashSet<EntityId> sleptBefore = [];
    private DateTimeOffset lastLook;

    /// <summary>How often a host went to standby.</summary>
    public int Standbys { get; private set; }

    /// <summary>Looks once.</summary>
    public void Look()
    {
        if (engines.Current is not { } run)
            return;
        var now = run.Engine.Inventory.Current;
        if (now.Find(site.Cluster!.Value) is not Model.Inventory.Cluster cluster)
            return;
        var tasks = run.Engine.Tasks.List();
        var hosts = now.Children<Host>(cluster.Id).ToList();
        Tell(tasks);
        foreach (var host in hosts)
        {
            var between = host.Standby is HostStandby.Entering or HostStandby.Exiting && !tasks.Any(t => t.Target == host.Id && !t.HasEnded);
            LastsNot($"'{host.Name}' is {host.Standby}, and no task makes it so", between, TimeSpan.FromMinutes(10));
            var runs = host.Standby == HostStandby.In ? now.MachinesOn(host.Id).FirstOrDefault(v => v.MayRun) : null;
            LastsNot($"'{host.Name}' is in standby, and by the inventory '{runs?.Name}' may run on it", runs is not null, TimeSpan.FromMinutes(10));
        }

        List<Host> asleep = [.. hosts.Where(h => h.IsReserve)];
        LookAtNeeds(cluster, asleep);
        LookAtPowerOns(cluster, tasks, asleep);
        foreach (var often in Slept(tasks).Where(t => world.Time.GetUtcNow() - t.EndedAt < day).GroupBy(t => t.TargetName).Where(g => g.Count() > mostStandbys))
            world.Break($"'{often.Key}' went to standby {often.Count()} times in a day.");
    }

    private void LookAtNeeds(Model.Inventory.Cluster cluster, IReadOnlyList<Host> asleep)
    {
        var on = site.Site.Hosts.Where(h => h.Agent is not null).ToList();
        foreach (var host in on)
        {
            var (asked, has) = (AskedOf(host), 100.0 * host.Facts.CpuThreads);
            LastsNot($"{host.Name} is asked for more CPU than it has", asleep.Count > 0 && asked > has, longestNeed, asleep);
        }

        LastsNot(
            "fewer hosts are on than are to be",
            asleep.Count > 0 && on.Count < cluster.PowerSaving.LeastHosts,
            longestNeed,
            asleep);
        LastsNot(
            "the hosts that are on could not carry their machines if one failed",
            asleep.Count > 0 && cluster.PowerSaving.KeepsSpare && !FitsWithoutOne(on),
            longestNeed,
            asleep);
    }

    // All hosts are alike here, and one that sleeps is empty: only a rule is a reason not to wake it, and which rules were in the way then is not known any more.
    private void LookAtPowerOns(Model.Inventory.Cluster cluster, IReadOnlyList<TaskRecord> tasks, List<Host> asleep)
    {
        var slept = asleep.Where(h => sleptBefore.Contains(h.Id)).Select(h => h.Name).ToList();
        foreach (var task in tasks.Where(t => t.Fault is NoHostFits && t.EndedAt >= lastLook && slept.Count > 0 && !RuleWatch.Binds(cluster, t.Target)))
            world.Break($"{task.Id} ({task.Operation} on '{task.TargetName}') found no room while {string.Join(", ", slept)} slept: {task.Fault!.Message}");
        (lastLook, sleptBefore) = (world.Time.GetUtcNow(), [.. asleep.Select(h => h.Id)]);
    }

    private double AskedOf(SimulatedHost host) =>
        host.Living.Where(q => q.Executes).Sum(q => Math.Min(100 * q.Spec.Cpus, demand.Percent(q.Machine, world.Time.GetUtcNow())));

    private bool FitsWithoutOne(List<SimulatedHost> on) => on.Count > 1
        && on.SelectMany(h => h.Living).Sum(q => q.Spec.Memory.Value) <= on.Sum(h => h.Facts.MemoryForGuests.Value) - on.Max(h => h.Facts.MemoryForGuests.Value)
        && on.Sum(AskedOf) <= 100.0 * (on.Sum(h => h.Facts.CpuThreads) - on.Max(h => h.Facts.CpuThreads));

    /// <summary>What is wrong for a moment is not so for long.</summary>
    /// <param name="asleep">Hosts that could be woken meanwhile.</param>
    private void LastsNot(string wrong, bool isSo, TimeSpan atMost, IReadOnlyList<Host>? asleep = null)
    {
        var moment = world.Time.GetUtcNow();
        if (!isSo)
            since.Remove(wrong);
        else if (since.TryAdd(wrong, moment))
            return;
        else if (moment - since[wrong] > atMost)
            world.Break($"For more than {atMost.TotalMinutes:0} minutes {wrong}{(asleep is null ? "" : $", and {string.Join(", ", asleep.Select(h => h.Name))} could be woken")}.");
    }

    private void Tell(IReadOnlyList<TaskRecord> tasks)
    {
        foreach (var task in tasks.Where(t => t.HasEnded && t.Operation is "host.enter-standby" or "host.exit-standby" && told.Add(t.Id)))
        {
            world.Tell($"{task.Operation} {task.TargetName}: {task.State} {task.Fault?.Message} ({task.Reason})");
            Standbys += task.Operation == "host.enter-standby" && task.State == TaskState.Succeeded ? 1 : 0;
        }
    }

    private static IEnumerable<TaskRecord> Slept(IReadOnlyList<TaskRecord> tasks) =>
        tasks.Where(t => t.Operation == "host.enter-standby" && t.State == TaskState.Succeeded);
}
