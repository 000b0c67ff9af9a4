using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Rules;

/// <summary>Finds rules that cannot be kept whatever is moved, alone or with each other. Asked when a rule is made, and before a plan.</summary>
public static class RuleConflicts
{
    /// <summary>Each conflict as one sentence that names the rules, in the order of their ids; empty when all can be kept by rule alone.</summary>
    /// <param name="hosts">Ids of the hosts that exist.</param>
    public static IReadOnlyList<string> Of(IEnumerable<SnapshotRule> rules, IEnumerable<string> hosts)
    {
        var all = rules.OrderBy(r => r.Id, StringComparer.Ordinal).ToList();
        var existing = hosts.ToHashSet(StringComparer.Ordinal);
        var groups = Groups(all).ToList();
        return
        [
            .. all.SelectMany(r => Alone(r, existing)),
            .. groups.SelectMany(g => Together(g, all, existing)),
            .. all.Where(r => r.Kind == RuleKind.Apart && r.Vms.Length <= existing.Count).SelectMany(r => Crowded(r, groups, all, existing)),
        ];
    }

    private static IEnumerable<string> Alone(SnapshotRule rule, HashSet<string> hosts)
    {
        if (rule.Kind == RuleKind.OnHosts && !rule.Hosts.Any(hosts.Contains))
            yield return $"{RuleText.Of(rule)}: {(rule.Off.IsEmpty ? "none of its hosts exists" : "there are no other hosts")}";
        if (rule.Kind == RuleKind.Apart && rule.Vms.Length > hosts.Count)
            yield return $"{RuleText.Of(rule)}: {rule.Vms.Length} machines cannot be apart on {hosts.Count} host{(hosts.Count == 1 ? "" : "s")}";
    }

    // Machines that must share a host, by one rule or by several that overlap.
    private static IEnumerable<HashSet<string>> Groups(List<SnapshotRule> rules)
    {
        var groups = new List<HashSet<string>>();
        foreach (var rule in rules.Where(r => r.Kind == RuleKind.Together))
        {
            var group = rule.Vms.ToHashSet(StringComparer.Ordinal);
            foreach (var other in groups.Where(g => g.Overlaps(group)).ToList())
            {
                group.UnionWith(other);
                groups.Remove(other);
            }

            groups.Add(group);
        }

        var alone = rules.Where(r => r.Kind == RuleKind.OnHosts).SelectMany(r => r.Vms).Distinct(StringComparer.Ordinal)
            .Where(v => !groups.Any(g => g.Contains(v)));
        return groups.Concat(alone.Select(v => new HashSet<string>([v], StringComparer.Ordinal)));
    }

    private static IEnumerable<string> Together(HashSet<string> group, List<SnapshotRule> rules, HashSet<string> hosts)
    {
        foreach (var rule in rules.Where(r => r.Kind == RuleKind.Apart && r.Vms.Count(group.Contains) > 1))
        {
            var names = string.Join(" and ", rule.Vms.Where(group.Contains).Take(2));
            yield return $"{RuleText.Of(rule)}: {names} must be together by {Rules(rules.Where(r => r.Kind == RuleKind.Together && r.Vms.Any(group.Contains)))}";
        }

        var bound = rules.Where(r => r.Kind == RuleKind.OnHosts && r.Vms.Any(group.Contains) && r.Hosts.Any(hosts.Contains)).ToList();
        if (bound.Count > 1 && !hosts.Any(h => bound.All(r => r.Hosts.Contains(h, StringComparer.Ordinal))))
            yield return $"{Rules(bound)}: no host is allowed by all of them, and {group.Order(StringComparer.Ordinal).First()} is bound by all";
    }

    /// <summary>Machines that must be apart, and that other rules bind to fewer hosts than they are.</summary>
    /// <remarks>Hall's theorem: each can have a host of its own unless some of them have fewer hosts between them. A machine that no path of exchanges gives a host
    /// (Kuhn 1955), with all those that it could take one from, are such. Machines that nothing binds always find one.</remarks>
    private static IEnumerable<string> Crowded(SnapshotRule apart, List<HashSet<string>> groups, List<SnapshotRule> rules, HashSet<string> hosts)
    {
        var bound = new Dictionary<string, (SnapshotRule[] By, string[] Hosts)>(StringComparer.Ordinal);
        foreach (var vm in apart.Vms)
        {
            var with = groups.Find(g => g.Contains(vm));
            var by = rules.Where(r => r.Kind == RuleKind.OnHosts && with is not null && r.Vms.Any(with.Contains) && r.Hosts.Any(hosts.Contains)).ToArray();
            // Those that no host is left to are said of already.
            if (by.Length > 0 && hosts.Where(h => by.All(r => r.Hosts.Contains(h, StringComparer.Ordinal))).ToArray() is { Length: > 0 } left)
                bound[vm] = (by, left);
        }

        var taken = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var vm in bound.Keys.Order(StringComparer.Ordinal))
        {
            var asked = new HashSet<string>(StringComparer.Ordinal);
            if (Place(vm, asked))
                continue;
            string[] crowd = [.. asked.Select(h => taken[h]).Append(vm).Order(StringComparer.Ordinal)];
            yield return $"{RuleText.Of(apart)}: {string.Join(" and ", crowd)} cannot be apart on {string.Join(" and ", asked.Order(StringComparer.Ordinal))}, where they must be by {Rules(crowd.SelectMany(v => bound[v].By).Distinct())}";
            yield break;
        }

        bool Place(string vm, HashSet<string> asked)
        {
            foreach (var host in bound[vm].Hosts)
            {
                if (asked.Add(host) && (!taken.TryGetValue(host, out var other) || Place(other, asked)))
                {
                    taken[host] = vm;
                    return true;
                }
            }

            return false;
        }
    }

    private static string Rules(IEnumerable<SnapshotRule> rules) => string.Join(" and ", rules.Select(r => $"rule {r.Id}"));
}
