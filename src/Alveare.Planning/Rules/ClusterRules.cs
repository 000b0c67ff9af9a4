using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Rules;

/// <summary>A rule that a machine would break somewhere, or that is broken.</summary>
/// <param name="Text">The rule in words, with its name.</param>
public sealed record BrokenRule(string Name, string Text, bool IsMust);

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

    /// <summary>The rules that a machine would break on a host and does not break where it is, with others as they are.</summary>
    /// <param name="at">Where each machine runs, or is on its way to; null for nowhere.</param>
    public static ImmutableArray<BrokenRule> BrokenBy(Cluster cluster, EntityId vm, EntityId host, IReadOnlyCollection<EntityId> hosts, Func<EntityId, EntityId?> at)
    {
        var touching = cluster.Rules.Where(r => r.IsEnabled && MembersOf(cluster, r).Contains(vm)).ToImmutableArray();
        if (touching.IsEmpty)
            return [];
        var members = touching.SelectMany(r => MembersOf(cluster, r)).Distinct().Order().ToList();
        var vmNames = members.ToDictionary(m => m, m => m.ToString());
        var hostNames = hosts.Distinct().ToDictionary(h => h, h => h.ToString());
        var book = Book(cluster with { Rules = touching }, vmNames, hostNames);
        var numbers = hostNames.Keys.Order().Select((id, number) => (id, number)).ToDictionary(h => h.id, h => h.number);
        int[] places = [.. members.Select(m => m != vm && at(m) is { } place ? numbers.GetValueOrDefault(place, -1) : -1)];
        var number = members.IndexOf(vm);
        return
        [
            .. Enumerable.Range(0, book.Count)
                .Where(rule => book.Change(rule, number, numbers[host], places) > 0)
                .Select(rule => cluster.Rules.First(r => r.Name == book[rule].Id))
                .Select(r => new BrokenRule(r.Name, Text(r), r.IsMust)),
        ];
    }

    /// <summary>The rules that are broken now.</summary>
    public static ImmutableArray<BrokenRule> Broken(Cluster cluster, IReadOnlyCollection<EntityId> hosts, Func<EntityId, EntityId?> at)
    {
        var members = cluster.Rules.SelectMany(r => MembersOf(cluster, r)).Distinct().Order().ToList();
        var hostNames = hosts.Distinct().ToDictionary(h => h, h => h.ToString());
        var book = Book(cluster, members.ToDictionary(m => m, m => m.ToString()), hostNames);
        var numbers = hostNames.Keys.Order().Select((id, number) => (id, number)).ToDictionary(h => h.id, h => h.number);
        int[] places = [.. members.Select(m => at(m) is { } place ? numbers.GetValueOrDefault(place, -1) : -1)];
        return
        [
            .. Enumerable.Range(0, book.Count)
                .Where(rule => book.Broken(rule, places) > 0)
                .Select(rule => cluster.Rules.First(r => r.Name == book[rule].Id))
                .Select(r => new BrokenRule(r.Name, Text(r), r.IsMust)),
        ];
    }

    /// <summary>Why a cluster's enabled rules cannot all be kept, each as a sentence; empty when they can.</summary>
    /// <param name="nameOf">What people call a machine or a host.</param>
    public static ImmutableArray<string> Conflicts(Cluster cluster, IReadOnlyCollection<EntityId> hosts, Func<EntityId, string> nameOf)
    {
        var members = cluster.Rules.SelectMany(r => MembersOf(cluster, r)).Distinct();
        var hostNames = hosts.Distinct().ToDictionary(h => h, nameOf);
        return
        [
            .. RuleConflicts.Of(Of(cluster, members.ToDictionary(m => m, nameOf), hostNames), hostNames.Values),
            .. StartOrder.Cycles(cluster),
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

    internal static ImmutableArray<EntityId> GroupOf(ImmutableArray<ClusterGroup> groups, string? name) =>
        groups.FirstOrDefault(g => g.Name == name)?.Members ?? [];

    private static RuleBook Book(Cluster cluster, Dictionary<EntityId, string> vms, Dictionary<EntityId, string> hosts) => new(
        Of(cluster, vms, hosts),
        vms.Keys.Order().Select((id, number) => (id, number)).ToDictionary(v => vms[v.id], v => v.number),
        hosts.Keys.Order().Select((id, number) => (id, number)).ToDictionary(h => hosts[h.id], h => h.number));

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
        return new SnapshotRule(rule.Name, kind, members, allowed) { Priority = rule.Priority };
    }
}
