using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Rules;

/// <summary>A rule that a machine would break somewhere, or that is broken.</summary>
/// <param name="Text">The rule in words, with its name.</param>
/// <param name="Weight">What counts against a place where it is broken.</param>
public sealed record BrokenRule(string Name, string Text, RuleChange Weight)
{
    public bool IsMust => Weight.Must > 0;

    /// <summary>A move breaks it more than it is broken already: one that must hold refuses only such a move.</summary>
    public bool IsWorse { get; init; }
}

/// <summary>The rules of a cluster of the inventory as those that <see cref="RuleBook"/> counts: the one way from one to the other.</summary>
public static class ClusterRules
{
    /// <summary>The rules over places that count now. Members that are not among the machines and hosts given here are left out, and with
    /// them rules of which nothing is left to keep.</summary>
    /// <param name="vms">What the rules are to call each machine.</param>
    /// <param name="hosts">What the rules are to call each host of the cluster that may be used.</param>
    public static ImmutableArray<SnapshotRule> Of(Cluster cluster, IReadOnlyDictionary<EntityId, string> vms, IReadOnlyDictionary<EntityId, string> hosts) =>
    [
        .. cluster.Rules
            .Where(r => r.IsEnabled && r.Kind != ClusterRuleKind.StartAfter)
            .Select(r => Of(cluster, r, vms, hosts))
            .Where(r => r.Vms.Length > (r.Kind == RuleKind.OnHosts ? 0 : 1)),
    ];

    /// <summary>The machines of a rule, those of its group or its own.</summary>
    public static ImmutableArray<EntityId> MembersOf(Cluster cluster, ClusterRule rule) =>
        rule.VmGroup is { } group ? GroupOf(cluster.VmGroups, group) : rule.Vms;

    /// <summary>The machines that move as one with a machine: those where it is that rules which must hold keep together with it, one by another
    /// too, and itself; in the order of their ids.</summary>
    /// <param name="at">Where each machine runs; null for nowhere.</param>
    public static ImmutableArray<EntityId> MovingWith(Cluster cluster, EntityId vm, Func<EntityId, EntityId?> at)
    {
        var group = new SortedSet<EntityId> { vm };
        if (at(vm) is not { } place)
            return [vm];
        var rules = cluster.Rules
            .Where(r => r is { IsEnabled: true, IsMust: true, Kind: ClusterRuleKind.Together })
            .Select(r => MembersOf(cluster, r).Where(v => at(v) == place).ToList())
            .ToList();
        while (rules.Find(r => r.Exists(group.Contains)) is { } touched)
        {
            group.UnionWith(touched);
            rules.Remove(touched);
        }

        return [.. group];
    }

    /// <summary>The rules that machines would break on a host if all of them came to it, with others as they are.</summary>
    /// <param name="at">Where each machine runs, or is on its way to; null for nowhere.</param>
    public static ImmutableArray<BrokenRule> BrokenBy(
        Cluster cluster, IReadOnlyCollection<EntityId> vms, EntityId host, IReadOnlyCollection<EntityId> hosts, Func<EntityId, EntityId?> at)
    {
        var touching = cluster.Rules.RemoveAll(r => !r.IsEnabled || !MembersOf(cluster, r).Any(vms.Contains));
        if (touching.IsEmpty)
            return [];
        var counted = new Counted(cluster with { Rules = touching }, hosts, at);
        int[] numbers = [.. vms.Select(v => counted.Members.IndexOf(v)).Where(n => n >= 0)];
        var nowhere = counted.Places.ToArray();
        foreach (var number in numbers)
            nowhere[number] = -1;
        var to = counted.Hosts.IndexOf(host);
        var broken = counted.Where(
            rule => counted.Book.Change(rule, numbers, to, nowhere),
            rule => counted.Book.Change(rule, numbers, to, counted.Places) > 0);
        return [.. broken.Select(b => b.IsWorse && vms.Any(v => at(v) is not null) && IsTogether(cluster, b) ? b with { Text = $"{b.Text}, and one leaves it only with its group" } : b)];
    }

    /// <summary>The rules that are broken now.</summary>
    public static ImmutableArray<BrokenRule> Broken(Cluster cluster, IReadOnlyCollection<EntityId> hosts, Func<EntityId, EntityId?> at)
    {
        var counted = new Counted(cluster, hosts, at);
        return counted.Where(rule => counted.Book.Broken(rule, counted.Places), _ => false);
    }

    /// <summary>The machines that break each rule now, by the name of the rule; rules that are kept are not there.</summary>
    public static ImmutableDictionary<string, ImmutableArray<EntityId>> Breaking(Cluster cluster, IReadOnlyCollection<EntityId> hosts, Func<EntityId, EntityId?> at)
    {
        var counted = new Counted(cluster, hosts, at);
        return Enumerable.Range(0, counted.Book.Count)
            .Select(rule => (counted.Book[rule].Id, Machines: counted.Book.Breaking(rule, counted.Places).Select(vm => counted.Members[vm]).ToImmutableArray()))
            .Where(r => !r.Machines.IsEmpty)
            .ToImmutableDictionary(r => r.Id, r => r.Machines, StringComparer.Ordinal);
    }

    /// <summary>Why a cluster's enabled rules cannot all be kept after a change of them, each as a sentence; empty when they can, and when it asks nothing
    /// that was not asked before: whatever stands in their way, that cannot make it worse.</summary>
    /// <param name="vms">What people call each machine of the cluster; others count in no rule.</param>
    /// <param name="hosts">What people call each host of the cluster.</param>
    public static ImmutableArray<string> NewConflicts(
        Cluster before, Cluster after, IReadOnlyDictionary<EntityId, string> vms, IReadOnlyDictionary<EntityId, string> hosts)
    {
        var (old, changed) = (Of(before, vms, hosts), Of(after, vms, hosts));
        var isEased = changed.All(r => old.Any(o => AsksAsMuch(o, r)));
        return
        [
            .. isEased ? [] : RuleConflicts.Of(changed, hosts.Values).Except(RuleConflicts.Of(old, hosts.Values)),
            .. StartOrder.Cycles(after, vms.ContainsKey).Except(StartOrder.Cycles(before, vms.ContainsKey)),
        ];
    }

    /// <summary>A rule as people say it.</summary>
    public static string Text(ClusterRule rule)
    {
        var machines = rule.VmGroup is { } group ? $"machines of group '{group}'" : "its machines";
        var what = rule.Kind switch
        {
            ClusterRuleKind.Together => $"{machines} run on one host",
            ClusterRuleKind.Apart => $"{machines} run on different hosts",
            ClusterRuleKind.OnHosts => $"{machines} run on hosts of group '{rule.HostGroup}'",
            ClusterRuleKind.OffHosts => $"{machines} run on no host of group '{rule.HostGroup}'",
            _ => $"{machines} start after those of group '{rule.AfterGroup}'",
        };
        return $"by rule '{rule.Name}' {what}";
    }

    private static bool AsksAsMuch(SnapshotRule rule, SnapshotRule other) =>
        rule.Kind == other.Kind && !other.Vms.Except(rule.Vms).Any() && !rule.Hosts.Except(other.Hosts).Any();

    private static bool IsTogether(Cluster cluster, BrokenRule broken) => cluster.Rules.First(r => r.Name == broken.Name).Kind == ClusterRuleKind.Together;

    internal static ImmutableArray<EntityId> GroupOf(ImmutableArray<ClusterGroup> groups, string? name) =>
        groups.FirstOrDefault(g => g.Name == name)?.Members ?? [];

    private static SnapshotRule Of(Cluster cluster, ClusterRule rule, IReadOnlyDictionary<EntityId, string> vms, IReadOnlyDictionary<EntityId, string> hosts)
    {
        ImmutableArray<string> members = [.. MembersOf(cluster, rule).Where(vms.ContainsKey).Select(v => vms[v])];
        var group = GroupOf(cluster.HostGroups, rule.HostGroup);
        var (kind, allowed) = rule.Kind switch
        {
            ClusterRuleKind.Together => (RuleKind.Together, ImmutableArray<string>.Empty),
            ClusterRuleKind.Apart => (RuleKind.Apart, []),
            ClusterRuleKind.OnHosts => (RuleKind.OnHosts, [.. group.Where(hosts.ContainsKey).Select(h => hosts[h])]),
            // Where they must not be is where they may be, the other way round.
            _ => (RuleKind.OnHosts, [.. hosts.Where(h => !group.Contains(h.Key)).Select(h => h.Value)]),
        };
        return new SnapshotRule(rule.Name, kind, members, allowed)
        {
            Priority = rule.Priority,
            IsMust = rule.IsMust,
            Off = rule.Kind == ClusterRuleKind.OffHosts ? [.. group.Where(hosts.ContainsKey).Select(h => hosts[h])] : [],
        };
    }

    /// <summary>A cluster's rules with machines and hosts as the rule book wants them: numbers, in the order of their ids.</summary>
    private sealed class Counted
    {
        private readonly Cluster _cluster;

        public Counted(Cluster cluster, IEnumerable<EntityId> hosts, Func<EntityId, EntityId?> at)
        {
            _cluster = cluster;
            Members = [.. cluster.Rules.SelectMany(r => MembersOf(cluster, r)).Distinct().Order()];
            Hosts = [.. hosts.Distinct().Order()];
            Book = new RuleBook(Of(cluster, Texts(Members), Texts(Hosts)), Numbers(Members), Numbers(Hosts));
            Places = [.. Members.Select(m => at(m) is { } place ? Hosts.IndexOf(place) : -1)];
        }

        public ImmutableArray<EntityId> Members { get; }

        public ImmutableArray<EntityId> Hosts { get; }

        public RuleBook Book { get; }

        /// <summary>Host of each member, or -1.</summary>
        public int[] Places { get; }

        /// <param name="machines">How many break a rule.</param>
        public ImmutableArray<BrokenRule> Where(Func<int, int> machines, Func<int, bool> isWorse) =>
        [
            .. Enumerable.Range(0, Book.Count).Select(number => (Number: number, Machines: machines(number))).Where(r => r.Machines > 0)
                .Select(r => (Rule: _cluster.Rules.First(rule => rule.Name == Book[r.Number].Id), Weight: Book.Weigh(r.Number, r.Machines), IsWorse: isWorse(r.Number)))
                .Select(r => new BrokenRule(r.Rule.Name, Text(r.Rule), r.Weight) { IsWorse = r.IsWorse }),
        ];

        private static Dictionary<EntityId, string> Texts(ImmutableArray<EntityId> ids) => ids.ToDictionary(id => id, id => id.ToString());

        private static Dictionary<string, int> Numbers(ImmutableArray<EntityId> ids) => ids.Select((id, number) => (id, number)).ToDictionary(i => i.id.ToString(), i => i.number);
    }
}
