using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Inventory;
using Alveare.Planning.Rules;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Rules;

/// <summary>A cluster's own rules against what they say, looked at naively.</summary>
public sealed class ClusterRulesTests
{
    private static readonly EntityId[] Hosts = [.. Enumerable.Range(1, 3).Select(n => EntityId.Host(new Guid(n, 0, 0, new byte[8])))];
    private static readonly EntityId[] Vms = [.. Enumerable.Range(1, 5).Select(n => EntityId.Vm(new Guid(n, 0, 0, new byte[8])))];

    private static readonly Gen<ClusterRule> Rule = Gen.Select(Gen.Int[0, 3], Gen.Int[0, 4].HashSet[2, 4], Gen.Bool, (kind, members, isEnabled) => new ClusterRule
    {
        Name = "r",
        Kind = (ClusterRuleKind)kind,
        Vms = [.. members.Order().Select(m => Vms[m])],
        HostGroup = kind > 1 ? "group" : null,
        IsEnabled = isEnabled,
    });

    [Fact]
    public void ARuleIsBrokenWhenItsMachinesAreWhereItSaysTheyMustNotBe() =>
        Gen.Select(Rule, Gen.Int[0, 2].HashSet[1, 2], Gen.Int[-1, 2].Array[5]).Sample((rule, group, at) =>
        {
            var cluster = ClusterOf(rule, group);
            var places = rule.Vms.Select(v => at[Array.IndexOf(Vms, v)]).Where(p => p >= 0).ToList();
            var expected = rule.IsEnabled && rule.Kind switch
            {
                ClusterRuleKind.Together => places.Distinct().Count() > 1,
                ClusterRuleKind.Apart => places.Distinct().Count() < places.Count,
                ClusterRuleKind.OnHosts => places.Exists(p => !group.Contains(p)),
                _ => places.Exists(group.Contains),
            };
            Assert.Equal(expected, !ClusterRules.Broken(cluster, Hosts, v => PlaceOf(v, at)).IsEmpty);
            // Without those that break it, it is kept.
            var breaking = ClusterRules.Breaking(cluster, Hosts, v => PlaceOf(v, at)).GetValueOrDefault("r", []);
            Assert.Equal(expected, !breaking.IsEmpty);
            Assert.Empty(ClusterRules.Broken(cluster, Hosts, v => breaking.Contains(v) ? null : PlaceOf(v, at)));
        });

    [Fact]
    public void WhereAMachineBreaksNothingNothingIsBrokenByIt() =>
        Gen.Select(Rule, Gen.Int[0, 2].HashSet[1, 2], Gen.Int[-1, 2].Array[5], Gen.Int[0, 4], Gen.Int[0, 2]).Sample((rule, group, at, vm, host) =>
        {
            var cluster = ClusterOf(rule, group);
            at[vm] = -1;
            var before = ClusterRules.Broken(cluster, Hosts, v => PlaceOf(v, at));
            var breaks = ClusterRules.BrokenBy(cluster, [Vms[vm]], Hosts[host], Hosts, v => PlaceOf(v, at));
            at[vm] = host;
            var after = ClusterRules.Broken(cluster, Hosts, v => PlaceOf(v, at));
            if (breaks.IsEmpty)
                Assert.Equal(before, after);
            else
                Assert.Equal("r", Assert.Single(after).Name);
        });

    [Fact]
    public void AMoveIsWorseWhenMoreMachinesBreakTheRuleAfterIt() =>
        Gen.Select(Rule, Gen.Int[0, 2].HashSet[1, 2], Gen.Int[-1, 2].Array[5], Gen.Int[0, 4].HashSet[1, 3], Gen.Int[0, 2]).Sample((rule, group, at, moved, host) =>
        {
            var cluster = ClusterOf(rule, group);
            var breaks = ClusterRules.BrokenBy(cluster, [.. moved.Select(vm => Vms[vm])], Hosts[host], Hosts, v => PlaceOf(v, at));
            var before = Breaking(rule, group, at);
            foreach (var vm in moved)
                at[vm] = host;
            Assert.Equal(Breaking(rule, group, at) > before, breaks.Any(b => b.IsWorse));
        });

    private static int Breaking(ClusterRule rule, HashSet<int> group, int[] at)
    {
        var places = rule.Vms.Select(v => at[Array.IndexOf(Vms, v)]).Where(p => p >= 0).ToList();
        return !rule.IsEnabled ? 0 : rule.Kind switch
        {
            ClusterRuleKind.Together => Math.Max(0, places.Distinct().Count() - 1),
            ClusterRuleKind.Apart => places.Count - places.Distinct().Count(),
            ClusterRuleKind.OnHosts => places.Count(p => !group.Contains(p)),
            _ => places.Count(group.Contains),
        };
    }

    private static EntityId? PlaceOf(EntityId vm, int[] at) => at[Array.IndexOf(Vms, vm)] is >= 0 and var host ? Hosts[host] : null;

    private static Cluster ClusterOf(ClusterRule rule, HashSet<int> group) => new()
    {
        Id = new EntityId(EntityKind.Cluster, Guid.Empty),
        Name = "cluster",
        Rules = [rule],
        HostGroups = [new ClusterGroup("group", [.. group.Order().Select(h => Hosts[h])])],
    };
}
