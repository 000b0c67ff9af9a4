using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Rules;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Scenarios;

/// <summary>The rules of a scenario's cluster: drawn by the dice, and watched by where machines execute, whatever anybody says of it.</summary>
/// <remarks>A rule that was kept stays kept. One that keeps machines together is broken while they are on their way, because they go one by one; and from
/// a migration that failed half-way until balancing has brought them together again, for which it has its time as long as there is a host for all of
/// them.</remarks>
internal sealed class RuleWatch(World world, ScenarioSite site, EngineRuns engines)
{
    /// <summary>Longer than balancing leaves a machine alone that three times could not be moved, than hosts are away, and than a round takes.</summary>
    private static readonly TimeSpan LongestApart = TimeSpan.FromHours(1);

    private readonly Dictionary<string, Standing> standings = new(StringComparer.Ordinal);

    private Model.Inventory.Cluster? drawn;

    // As it was at the first look, whatever an engine knows of it later.
    private Model.Inventory.Cluster? Cluster => engines.Current is { } run ? drawn ??= run.Engine.Inventory.Current.Get<Model.Inventory.Cluster>(site.Cluster!.Value) : null;

    /// <summary>Some machines are to be apart, one of them on a group of hosts, another machine off one host, and some are to be together: two or more that must, and
    /// two that should. Each with a priority.</summary>
    /// <param name="mostTogether">Of those that must.</param>
    public IEnumerable<Operation> Draw(int mostTogether = 3)
    {
        var now = engines.Current!.Engine.Inventory.Current;
        var hosts = now.Children<Host>(site.Cluster!.Value).Select(h => h.Id).ToArray();
        var machines = hosts.SelectMany(now.MachinesOn).Where(v => !v.IsTemplate).Select(v => v.Id).Order().ToArray();
        if (hosts.Length < 2 || machines.Length < 2)
            yield break;
        world.Dice.Shuffle(machines);
        var apart = machines[..world.Dice.Next(2, Math.Min(hosts.Length, machines.Length) + 1)];
        yield return Rule("apart", ClusterRuleKind.Apart, apart);
        EntityId[] bad = [hosts[world.Dice.Next(hosts.Length)]];
        yield return new SetHostGroup { Target = site.Cluster.Value, Name = "bad", Hosts = [.. bad] };
        yield return new SetHostGroup { Target = site.Cluster.Value, Name = "good", Hosts = [.. hosts.Except(bad)] };
        yield return new SetVmGroup { Target = site.Cluster.Value, Name = "bound", Vms = [apart[0]] };
        yield return Rule("on", ClusterRuleKind.OnHosts, []) with { VmGroup = "bound", HostGroup = "good" };
        yield return Rule("off", ClusterRuleKind.OffHosts, [machines[^1]]) with { HostGroup = "bad" };
        // One of those that are apart may have company, and the one that is kept off a host too.
        var others = machines[(apart.Length - world.Dice.Next(2))..];
        var group = world.Dice.Next(2, mostTogether + 1);
        if (others.Length >= group)
            yield return Rule("together", ClusterRuleKind.Together, others[..group]);
        if (others.Length >= group + 2)
            yield return Rule("rather together", ClusterRuleKind.Together, others[^2..]) with { IsPreference = true };
    }

    /// <summary>Whether a rule that must hold speaks of a machine.</summary>
    public static bool Binds(Model.Inventory.Cluster cluster, EntityId vm) => cluster.Rules.Any(r => r.IsMust && ClusterRules.MembersOf(cluster, r).Contains(vm));

    /// <summary>Looks once.</summary>
    public void Look()
    {
        if (Cluster is not { } cluster)
            return;
        var broken = Broken(cluster);
        foreach (var rule in cluster.Rules)
        {
            var standing = standings.GetValueOrDefault(rule.Name, new Standing(WasKept: false, BrokenSince: null, LastLook: world.Time.GetUtcNow()));
            if (!broken.TryGetValue(rule.Name, out var now))
            {
                // Of one that is at its switch, and executes nowhere for that moment, nothing can be said.
                if (ClusterRules.MembersOf(cluster, rule).Any(IsAtItsSwitch))
                    continue;
                standing = standing with { WasKept = true, BrokenSince = null };
            }
            else if (standing.WasKept)
                standing = Judged(cluster, rule, now, standing);
            standings[rule.Name] = standing with { LastLook = world.Time.GetUtcNow() };
        }
    }

    /// <summary>Once everything has had its time, nothing that was kept is broken, not even on its way.</summary>
    public void LookAtTheEnd()
    {
        if (Cluster is not { } cluster)
            return;
        foreach (var (name, text) in Broken(cluster))
        {
            var rule = cluster.Rules.First(r => r.Name == name);
            if (standings.GetValueOrDefault(name) is { WasKept: true } && (rule.Kind != ClusterRuleKind.Together || CouldBeKept(cluster, rule)))
                world.Break($"A rule that was kept is broken at the end: {text.Text}; {Places(rule, cluster)}.");
        }
    }

    private Standing Judged(Model.Inventory.Cluster cluster, ClusterRule rule, BrokenRule now, Standing before)
    {
        var moment = world.Time.GetUtcNow();
        if (rule.Kind == ClusterRuleKind.Together && (before.BrokenSince is not null || MayBePartedBy(cluster, rule, before.LastLook)))
        {
            var since = before.BrokenSince is { } then && CouldBeKept(cluster, rule) ? then : moment;
            if (moment - since > LongestApart)
                world.Break($"For {LongestApart.TotalMinutes:0} minutes a rule that was kept is broken: {now.Text}; {Places(rule, cluster)}.");
            return before with { BrokenSince = since };
        }

        world.Break($"A rule that was kept is broken: {now.Text}; {Places(rule, cluster)}.");
        return before with { BrokenSince = moment };
    }

    // Whether others could make room for them is not looked at here.
    private bool CouldBeKept(Model.Inventory.Cluster cluster, ClusterRule rule)
    {
        var members = ClusterRules.MembersOf(cluster, rule).Where(m => PlaceOf(m) is not null).ToList();
        var hosts = site.Site.Hosts.Select(h => h.Id).ToList();
        var specs = members.Select(m => site.Site.Executions.Of(m)[0].Spec).ToList();
        return site.Site.Hosts.Any(h => h.Agent is not null && !IsInMaintenance(h.Id)
            && Has(h, [.. h.Living.Where(q => !members.Contains(q.Machine)).Select(q => q.Spec), .. specs])
            && !ClusterRules.BrokenBy(cluster, members, h.Id, hosts, PlaceOf).Any(b => b.IsWorse));
    }

    private bool IsInMaintenance(EntityId host) => engines.Current!.Engine.Inventory.Current.Get<Host>(host).Maintenance != HostMaintenance.None;

    private static bool Has(SimulatedHost host, IReadOnlyCollection<MachineSpec> machines) =>
        machines.Sum(s => s.Memory.Value) <= host.Facts.MemoryForGuests.Value
        && machines.Sum(s => s.Resources.Cpu.Reservation.Value) <= host.Facts.CpuCapacity.Value;

    // By a migration of one of them that is under way, or did not succeed. Where they only should be together by a start too, because the host may have been
    // full, and by leaving a host that goes into maintenance.
    private bool MayBePartedBy(Model.Inventory.Cluster cluster, ClusterRule rule, DateTimeOffset lastLook)
    {
        var members = ClusterRules.MembersOf(cluster, rule);
        return engines.Current!.Engine.Tasks.List().Any(t => members.Contains(t.Target) && !(t.EndedAt < lastLook)
            && (t.Operation == "vm.migrate" ? t.State != TaskState.Succeeded || (!rule.IsMust && IsForMaintenance(t)) : t.Operation == "vm.power-on" && !rule.IsMust));
    }

    private static bool IsForMaintenance(TaskRecord task) => task.Reason?.Contains("which goes into maintenance", StringComparison.Ordinal) == true;

    private Dictionary<string, BrokenRule> Broken(Model.Inventory.Cluster cluster) =>
        ClusterRules.Broken(cluster, [.. site.Site.Hosts.Select(h => h.Id)], PlaceOf).ToDictionary(b => b.Name, StringComparer.Ordinal);

    private EntityId? PlaceOf(EntityId vm) => site.Site.Executions.Of(vm) is [var qemu, ..] ? qemu.Host : null;

    private bool IsAtItsSwitch(EntityId vm) => PlaceOf(vm) is null && site.Site.Hosts.Any(h => h.Living.Any(q => q.Machine == vm));

    private string Places(ClusterRule rule, Model.Inventory.Cluster cluster) => string.Join(
        ", ",
        ClusterRules.MembersOf(cluster, rule).Select(v => site.Site.Executions.Of(v) is [var qemu, ..] ? $"{qemu.Name} on {qemu.HostName}" : "one is off"));

    private CreateRule Rule(string name, ClusterRuleKind kind, EntityId[] machines) =>
        new() { Target = site.Cluster!.Value, Name = name, Kind = kind, Vms = [.. machines], Priority = world.Dice.Next(101) };

    /// <param name="WasKept">At some look.</param>
    /// <param name="BrokenSince">The first look at which it was broken again.</param>
    private sealed record Standing(bool WasKept, DateTimeOffset? BrokenSince, DateTimeOffset LastLook);
}
