using System.Collections.Immutable;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Planning.Rules;
using Alveare.Planning.Snapshots;

namespace Alveare.Core.Rules;

/// <summary>The operations on the rules and groups of a cluster.</summary>
internal sealed class RuleOperations(InventoryWriter inventory, EventLog events)
{
    public void Register(TaskEngine tasks)
    {
        tasks.Handle<CreateRule>((operation, _) => ChangeAsync(operation.Target, operation.Name, (now, cluster) => Create(now, cluster, operation)));
        tasks.Handle<SetRule>((operation, _) => ChangeAsync(operation.Target, operation.Name, (now, cluster) => Set(now, cluster, operation)));
        tasks.Handle<EnableRule>((operation, _) => ChangeAsync(operation.Target, operation.Name, (_, cluster) => Enable(cluster, operation)));
        tasks.Handle<RemoveRule>((operation, _) => ChangeAsync(operation.Target, null, (_, cluster) =>
            cluster with { Rules = cluster.Rules.Remove(RuleOf(cluster, operation.Name)) }));
        tasks.Handle<SetVmGroup>((operation, _) => ChangeAsync(operation.Target, null, (now, cluster) =>
            cluster with { VmGroups = With(cluster, cluster.VmGroups, operation.Name, Machines(now, cluster, operation.Vms, $"group '{operation.Name}'")) }));
        tasks.Handle<SetHostGroup>((operation, _) => ChangeAsync(operation.Target, null, (now, cluster) =>
            cluster with { HostGroups = With(cluster, cluster.HostGroups, operation.Name, Hosts(now, cluster, operation.Hosts, operation.Name)) }));
        tasks.Handle<RemoveGroup>((operation, _) => ChangeAsync(operation.Target, null, (_, cluster) => WithoutGroup(cluster, operation.Name)));
    }

    /// <summary>Changes a cluster unless rules could not be kept afterwards that can now. A rule that should hold only gives a warning.</summary>
    /// <param name="rule">The rule that a conflict is about; null for a change of groups, whose conflicts name their rules.</param>
    private async Task ChangeAsync(EntityId id, string? rule, Func<InventorySnapshot, Cluster, Cluster> change)
    {
        ImmutableArray<string> tolerated = [];
        await inventory.ApplyAsync(now =>
        {
            var before = now.Get<Cluster>(id);
            var after = change(now, before);
            var refused = NewConflicts(now, Musts(before), Musts(after));
            if (!refused.IsEmpty)
                throw new FaultException(new RuleConflict(rule ?? before.Name, refused));
            tolerated = NewConflicts(now, before, after);
            return InventoryEdit.Of(after);
        });
        if (!tolerated.IsEmpty)
            events.Add(EventSeverity.Warning, "rule.conflict", $"Rules of cluster '{inventory.Current.Find(id)?.Name}' cannot all be kept: {string.Join("; ", tolerated)}.", id);
    }

    private static Cluster Musts(Cluster cluster) => cluster with { Rules = cluster.Rules.RemoveAll(r => !r.IsMust) };

    private static ImmutableArray<string> NewConflicts(InventorySnapshot now, Cluster before, Cluster after)
    {
        var hosts = now.Children<Host>(before.Id).ToDictionary(h => h.Id, h => h.Name);
        return ClusterRules.NewConflicts(before, after, hosts.Keys.SelectMany(now.MachinesOn).ToDictionary(v => v.Id, v => v.Name), hosts);
    }

    private static Cluster Create(InventorySnapshot now, Cluster cluster, CreateRule asked) => cluster with
    {
        Rules = cluster.Rules.Add(Checked(cluster, new ClusterRule
        {
            Name = FreeName(cluster, asked.Name),
            Kind = asked.Kind,
            Vms = Machines(now, cluster, asked.Vms, $"rule '{asked.Name}'"),
            VmGroup = asked.VmGroup,
            HostGroup = asked.HostGroup,
            AfterGroup = asked.AfterGroup,
            IsMust = !asked.IsPreference,
            Priority = asked.Priority,
        })),
    };

    private static Cluster Set(InventorySnapshot now, Cluster cluster, SetRule asked)
    {
        var rule = RuleOf(cluster, asked.Name);
        var hasMachines = asked.Vms is not null || asked.VmGroup is not null;
        var changed = rule with
        {
            Name = asked.NewName is { } name && name != rule.Name ? FreeName(cluster, name) : rule.Name,
            // Those that it has may have left the cluster since.
            Vms = hasMachines ? Machines(now, cluster, asked.Vms ?? [], $"rule '{rule.Name}'") : rule.Vms,
            VmGroup = hasMachines ? asked.VmGroup : rule.VmGroup,
            HostGroup = asked.HostGroup ?? rule.HostGroup,
            AfterGroup = asked.AfterGroup ?? rule.AfterGroup,
            IsMust = asked.IsPreference is { } isPreference ? !isPreference : rule.IsMust,
            Priority = asked.Priority ?? rule.Priority,
        };
        return cluster with { Rules = cluster.Rules.Replace(rule, Checked(cluster, changed)) };
    }

    private static string FreeName(Cluster cluster, string name)
    {
        Names.Checked(name);
        return cluster.Rules.Any(r => r.Name == name) ? throw new FaultException(new DuplicateName("rule", name, cluster.Name)) : name;
    }

    private static ClusterRule Checked(Cluster cluster, ClusterRule rule)
    {
        var (hosts, after) = (rule.Kind is ClusterRuleKind.OnHosts or ClusterRuleKind.OffHosts, rule.Kind == ClusterRuleKind.StartAfter);
        Require(rule.Vms.IsEmpty != rule.VmGroup is null, rule, "what it is over", rule.VmGroup is null ? "missing" : "machines and a group", "either machines or a group of them");
        Require(hosts == rule.HostGroup is not null, rule, "the host group", rule.HostGroup ?? "missing", hosts ? "a group of hosts" : "none for this kind");
        Require(after == rule.AfterGroup is not null, rule, "the group to start after", rule.AfterGroup ?? "missing", after ? "a group of machines" : "none for this kind");
        Require(rule.Priority is >= 0 and <= SnapshotRule.MostPriority, rule, "the priority", $"{rule.Priority}", $"0 to {SnapshotRule.MostPriority}");
        Require(Enum.IsDefined(rule.Kind), rule, "the kind", $"{(int)rule.Kind}", "a kind of rule");
        Require(hosts || after || rule.VmGroup is not null || rule.Vms.Length > 1, rule, "the number of machines", "1", "2 or more");
        foreach (var (group, groups) in new[] { (rule.VmGroup, cluster.VmGroups), (rule.AfterGroup, cluster.VmGroups), (rule.HostGroup, cluster.HostGroups) })
        {
            if (group is not null && groups.All(g => g.Name != group))
                throw new FaultException(NotFound.Among(groups.Select(g => g.Name), groups == cluster.HostGroups ? "host group" : "group of machines", group));
        }

        return rule;
    }

    private static Cluster Enable(Cluster cluster, EnableRule asked)
    {
        var rule = RuleOf(cluster, asked.Name);
        return cluster with { Rules = cluster.Rules.Replace(rule, rule with { IsEnabled = asked.IsEnabled }) };
    }

    private static Cluster WithoutGroup(Cluster cluster, string name)
    {
        if (cluster.Rules.FirstOrDefault(r => r.VmGroup == name || r.HostGroup == name || r.AfterGroup == name) is { } user)
            throw new FaultException(new ObjectInUse(name, $"rule '{user.Name}'"));
        var (vms, hosts) = (cluster.VmGroups.RemoveAll(g => g.Name == name), cluster.HostGroups.RemoveAll(g => g.Name == name));
        return vms == cluster.VmGroups && hosts == cluster.HostGroups
            ? throw new FaultException(NotFound.Among(cluster.VmGroups.Concat(cluster.HostGroups).Select(g => g.Name), "group", name))
            : cluster with { VmGroups = vms, HostGroups = hosts };
    }

    // One name for one group, whatever it holds: rules and people name it without saying which.
    private static ImmutableArray<ClusterGroup> With(Cluster cluster, ImmutableArray<ClusterGroup> groups, string name, ImmutableArray<EntityId> members)
    {
        Names.Checked(name);
        var others = groups == cluster.VmGroups ? cluster.HostGroups : cluster.VmGroups;
        if (others.Any(g => g.Name == name))
            throw new FaultException(new DuplicateName("group", name, cluster.Name));
        return [.. groups.Where(g => g.Name != name).Append(new ClusterGroup(name, members)).OrderBy(g => g.Name, StringComparer.Ordinal)];
    }

    private static ImmutableArray<EntityId> Machines(InventorySnapshot now, Cluster cluster, ImmutableArray<EntityId> ids, string what)
    {
        foreach (var id in ids)
        {
            var vm = now.Get<VirtualMachine>(id);
            if (now.ClusterOf(vm.Host)?.Id != cluster.Id)
                throw new FaultException(new InvalidArgument($"Cluster '{cluster.Name}'", $"a machine of {what}", $"'{vm.Name}', which is on none of its hosts", "a machine of the cluster"));
        }

        return [.. ids.Distinct().Order()];
    }

    private static ImmutableArray<EntityId> Hosts(InventorySnapshot now, Cluster cluster, ImmutableArray<EntityId> ids, string group)
    {
        foreach (var id in ids)
        {
            if (now.Get<Host>(id) is var host && host.Parent != cluster.Id)
                throw new FaultException(new InvalidArgument($"Cluster '{cluster.Name}'", $"a host of group '{group}'", $"'{host.Name}'", "a host of the cluster"));
        }

        return [.. ids.Distinct().Order()];
    }

    private static ClusterRule RuleOf(Cluster cluster, string name) =>
        cluster.Rules.FirstOrDefault(r => r.Name == name) ?? throw new FaultException(NotFound.Among(cluster.Rules.Select(r => r.Name), "rule", name));

    private static void Require(bool isSo, ClusterRule asked, string argument, string given, string expected)
    {
        if (!isSo)
            throw new FaultException(new InvalidArgument($"Rule '{asked.Name}'", argument, given, expected));
    }
}
