using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;

namespace Alveare.Planning.Rules;

/// <summary>In which order machines start.</summary>
public static class StartOrder
{
    /// <summary>The rules by which a machine starts after others, each with those that are not on yet, in id order.</summary>
    public static ImmutableArray<(ClusterRule Rule, ImmutableArray<EntityId> Waiting)> WaitsFor(Cluster cluster, EntityId vm, Func<EntityId, bool> isOn) =>
    [
        .. Rules(cluster)
            .Where(r => ClusterRules.MembersOf(cluster, r).Contains(vm))
            .Select(r => (r, ImmutableArray.CreateRange(First(cluster, r).Where(v => v != vm && !isOn(v)).Order())))
            .Where(r => !r.Item2.IsEmpty),
    ];

    /// <summary>Machines in the steps in which they are to start: each after the steps of those that its rules put first, as early as it can.</summary>
    /// <remarks>Rules that only should hold may contradict: then they are left aside. What still waits for each other comes last.</remarks>
    public static ImmutableArray<ImmutableArray<EntityId>> Steps(Cluster cluster, IEnumerable<EntityId> vms)
    {
        var steps = ImmutableArray.CreateBuilder<ImmutableArray<EntityId>>();
        for (var left = vms.ToHashSet(); left.Count > 0;)
        {
            var waits = left.Order().Select(vm => (Vm: vm, For: WaitsFor(cluster, vm, other => !left.Contains(other)))).ToList();
            ImmutableArray<EntityId> step = [.. waits.Where(w => w.For.IsEmpty).Select(w => w.Vm)];
            if (step.IsEmpty)
                step = [.. waits.Where(w => !w.For.Any(f => f.Rule.IsMust)).Select(w => w.Vm)];
            if (step.IsEmpty)
                step = [.. waits.Select(w => w.Vm)];
            steps.Add(step);
            left.ExceptWith(step);
        }

        return steps.ToImmutable();
    }

    /// <summary>Rules that would let machines wait for each other for ever, one sentence for each.</summary>
    /// <param name="counts">Whether a machine is of the cluster; nothing waits for others.</param>
    internal static IEnumerable<string> Cycles(Cluster cluster, Func<EntityId, bool> counts)
    {
        var rules = Rules(cluster)
            .Select(r => (Rule: r, First: First(cluster, r).Where(counts).ToList(), Then: ClusterRules.MembersOf(cluster, r).Where(counts).ToList()))
            .ToList();
        var after = rules.SelectMany(r => r.Then.SelectMany(vm => r.First.Where(f => f != vm).Select(f => (Vm: vm, First: f)))).ToLookup(w => w.Vm, w => w.First);
        return rules
            .Where(r => r.Then.Exists(vm => r.First.Exists(f => f != vm && Reaches(after, f, vm, []))))
            .Select(r => $"rule '{r.Rule.Name}' and others make machines of group '{r.Rule.AfterGroup}' start after each other");
    }

    private static bool Reaches(ILookup<EntityId, EntityId> after, EntityId from, EntityId to, HashSet<EntityId> seen) =>
        from == to || (seen.Add(from) && after[from].Any(n => Reaches(after, n, to, seen)));

    private static IEnumerable<ClusterRule> Rules(Cluster cluster) => cluster.Rules.Where(r => r.IsEnabled && r.Kind == ClusterRuleKind.StartAfter);

    private static ImmutableArray<EntityId> First(Cluster cluster, ClusterRule rule) => ClusterRules.GroupOf(cluster.VmGroups, rule.AfterGroup);
}
