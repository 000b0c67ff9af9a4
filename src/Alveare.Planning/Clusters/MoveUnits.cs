using System.Collections.Immutable;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Clusters;

/// <summary>A cluster in which machines of one host that rules which must hold keep together are one machine, so that whatever is planned for one
/// machine is planned for them as a whole: alone each would break its rule.</summary>
/// <remarks>A unit has the id of its first member, asks for what all its members ask for, and runs where all of them can. A rule counts it once, but one that
/// binds machines to hosts as often as it has members that the rule binds.</remarks>
public sealed class MoveUnits
{
    private readonly Cluster _whole;
    private readonly int[] _leaders;
    private readonly ILookup<int, int> _followers;
    private readonly bool _doKeptStay;
    private readonly bool _withPreferences;
    private readonly HashSet<int> _staying;

    private MoveUnits(Cluster whole, ReadOnlySpan<int> at, bool doKeptStay, bool withPreferences)
    {
        (_whole, _leaders, _doKeptStay, _withPreferences) = (whole, Leaders(whole, at, withPreferences), doKeptStay, withPreferences);
        _followers = Enumerable.Range(0, _leaders.Length).Where(vm => _leaders[vm] != vm).ToLookup(vm => _leaders[vm]);
        var places = at.ToArray();
        _staying = [.. _followers.Select(g => g.Key).Where(leader => DoesStay(leader, places))];
        Cluster = _followers.Count == 0 && at.SequenceEqual(whole.Start) ? whole : Contracted(places);
    }

    /// <summary>The cluster of single machines.</summary>
    public Cluster Whole => _whole;

    /// <summary>The cluster of units.</summary>
    public Cluster Cluster { get; }

    /// <param name="at">Host of each machine.</param>
    /// <param name="doKeptStay">A group none of whose rules is broken stays where it is. So it is where its machines move one after the other, because
    /// until the last of them has arrived the first has broken the group's rule.</param>
    /// <param name="withPreferences">Machines that only should be together are one unit too.</param>
    public static MoveUnits Of(Cluster cluster, ReadOnlySpan<int> at, bool doKeptStay = false, bool withPreferences = false) => new(cluster, at, doKeptStay, withPreferences);

    /// <summary>Whether the units are the same with machines elsewhere, and the same of them stay.</summary>
    public bool AreThoseAt(int[] at) =>
        Leaders(_whole, at, _withPreferences).AsSpan().SequenceEqual(_leaders) && _followers.All(g => DoesStay(g.Key, at) == _staying.Contains(g.Key));

    /// <summary>The machines of a unit, its first one first; by their numbers in the whole cluster.</summary>
    public IEnumerable<int> MembersOf(string unit)
    {
        var leader = _whole.VmNumbers[unit];
        return _followers[leader].Prepend(leader);
    }

    /// <summary>The unit of a machine, by its number in the whole cluster.</summary>
    public string UnitOf(int vm) => _whole.Vms[_leaders[vm]].Id;

    // Rules may overlap: each joins what those before it have joined.
    private static int[] Leaders(Cluster cluster, ReadOnlySpan<int> at, bool withPreferences)
    {
        var leaders = Enumerable.Range(0, cluster.Vms.Length).ToArray();
        for (var rule = 0; rule < cluster.Rules.Count; rule++)
        {
            if (cluster.Rules[rule] is not { Kind: RuleKind.Together } together || !(together.IsMust || withPreferences))
                continue;
            var members = cluster.Rules.MembersOf(rule);
            for (var i = 1; i < members.Length; i++)
            {
                for (var j = 0; j < i; j++)
                {
                    if (at[members[i]] >= 0 && at[members[i]] == at[members[j]])
                        Join(leaders, members[i], members[j]);
                }
            }
        }

        for (var vm = 0; vm < leaders.Length; vm++)
            leaders[vm] = leaders[leaders[vm]];
        return leaders;
    }

    private static void Join(int[] leaders, int one, int other)
    {
        (one, other) = (First(leaders, one), First(leaders, other));
        leaders[Math.Max(one, other)] = Math.Min(one, other);
    }

    private static int First(int[] leaders, int vm)
    {
        while (leaders[vm] != vm)
            vm = leaders[vm];
        return vm;
    }

    private Cluster Contracted(int[] at)
    {
        var vms = ImmutableArray.CreateBuilder<SnapshotVm>(at.Length);
        for (var vm = 0; vm < at.Length; vm++)
        {
            if (_leaders[vm] == vm)
                vms.Add(Unit(vm, at));
        }

        return new Cluster(
            _whole.Snapshot with { Vms = vms.ToImmutable(), Rules = [.. _whole.Snapshot.Rules.SelectMany(Rules)] },
            _followers.ToDictionary(g => _whole.Vms[g.Key].Id, g => g.Count() + 1));
    }

    private SnapshotVm Unit(int leader, int[] at)
    {
        var unit = _whole.Vms[leader] with { Host = at[leader] < 0 ? "" : _whole.Hosts[at[leader]].Id };
        if (!_followers.Contains(leader))
            return unit;
        var numbers = _followers[leader].Prepend(leader).ToList();
        var members = numbers.Select(vm => _whole.Vms[vm]).ToList();
        return unit with
        {
            Vcpus = members.Sum(m => m.Vcpus),
            CpuDemandMhz = members.Sum(Cluster.CpuOf),
            CpuLimitMhz = -1,
            MemMb = members.Sum(m => m.MemMb),
            ConsumedMb = members.Sum(m => m.ConsumedMb),
            ActiveMb = members.Sum(m => m.ActiveMb),
            CpuReservationMhz = members.Sum(m => m.CpuReservationMhz),
            MemReservationMb = members.Sum(m => m.MemReservationMb),
            OnlyOn = _staying.Contains(leader) ? [unit.Host] : CommonHosts(members),
        };
    }

    private bool DoesStay(int leader, int[] at) => _doKeptStay && _followers[leader].Prepend(leader).All(vm => AreKept(_whole.Rules.RulesOf(vm), at));

    private bool AreKept(ReadOnlySpan<int> rules, int[] at)
    {
        foreach (var rule in rules)
        {
            if (_whole.Rules.Broken(rule, at) > 0)
                return false;
        }

        return true;
    }

    private static ImmutableArray<string> CommonHosts(List<SnapshotVm> members)
    {
        var bound = members.Where(m => !m.OnlyOn.IsEmpty).Select(m => m.OnlyOn.AsEnumerable()).ToList();
        if (bound.Count == 0)
            return [];
        var common = bound.Aggregate((one, other) => one.Intersect(other, StringComparer.Ordinal)).ToImmutableArray();
        // No list means any host: those that have none in common stay where they are.
        return common.IsEmpty ? [members[0].Host] : common;
    }

    private IEnumerable<SnapshotRule> Rules(SnapshotRule rule)
    {
        var units = rule.Vms.Select(v => _whole.Vms[_leaders[_whole.VmNumbers[v]]].Id).GroupBy(id => id, StringComparer.Ordinal).ToList();
        if (rule.Kind != RuleKind.OnHosts)
            return units.Count < 2 ? [] : [rule with { Vms = [.. units.Select(u => u.Key)] }];
        return Enumerable.Range(1, units.Max(u => u.Count())).Select(n => rule with { Vms = [.. units.Where(u => u.Count() >= n).Select(u => u.Key)] });
    }
}
