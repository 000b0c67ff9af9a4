using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Rules;

/// <summary>The rules of a cluster, by number: how many machines break them in a placement, and what a move changes about that. Placement,
/// balancing, maintenance and failover all ask here.</summary>
/// <remarks>A machine counts once per rule it breaks: of machines to be kept apart all but one on each host, of machines to be kept together
/// all hosts but one, of machines bound to hosts each one elsewhere.</remarks>
public sealed class RuleBook
{
    private readonly SnapshotRule[] _rules;
    private readonly int[][] _members;
    private readonly bool[]?[] _allowed;
    private readonly int[][] _rulesOf;

    /// <param name="vms">Number of each machine.</param>
    /// <param name="hosts">Number of each host; hosts of a rule that are not here are gone.</param>
    public RuleBook(IEnumerable<SnapshotRule> rules, IReadOnlyDictionary<string, int> vms, IReadOnlyDictionary<string, int> hosts)
    {
        _rules = [.. rules.OrderByDescending(r => r.IsMust).ThenByDescending(r => r.Priority).ThenBy(r => r.Id, StringComparer.Ordinal)];
        _members = [.. _rules.Select(r => r.Vms.Select(v => vms[v]).Order().ToArray())];
        _allowed = [.. _rules.Select(r => r.Kind == RuleKind.OnHosts ? Allowed(r, hosts) : null)];
        _rulesOf = new int[vms.Count][];
        Array.Fill(_rulesOf, []);
        for (var rule = 0; rule < _rules.Length; rule++)
        {
            foreach (var vm in _members[rule])
                _rulesOf[vm] = [.. _rulesOf[vm], rule];
        }
    }

    public int Count => _rules.Length;

    public SnapshotRule this[int rule] => _rules[rule];

    public ReadOnlySpan<int> MembersOf(int rule) => _members[rule];

    public ReadOnlySpan<int> RulesOf(int vm) => _rulesOf[vm];

    public bool HasRules(int vm) => _rulesOf[vm].Length > 0;

    /// <summary>Whether the rule lets its machines be on this host, the others' places aside.</summary>
    public bool Allows(int rule, int host) => _allowed[rule] is not { } allowed || allowed[host];

    /// <summary>Machines that break one rule; a machine at -1 is nowhere and breaks none.</summary>
    public int Broken(int rule, ReadOnlySpan<int> at)
    {
        var members = _members[rule];
        if (_allowed[rule] is { } allowed)
            return Outside(members, at, allowed);
        var (placed, distinct) = (0, 0);
        for (var i = 0; i < members.Length; i++)
        {
            if (at[members[i]] < 0)
                continue;
            placed++;
            distinct += IsFirst(members, i, at) ? 1 : 0;
        }

        return _rules[rule].Kind == RuleKind.Apart ? placed - distinct : Math.Max(0, distinct - 1);
    }

    /// <summary>Machines that break rules, over all rules.</summary>
    public int Broken(ReadOnlySpan<int> at)
    {
        var broken = 0;
        for (var rule = 0; rule < _rules.Length; rule++)
            broken += Broken(rule, at);
        return broken;
    }

    /// <summary>The machines that break a rule: those on hosts that it does not allow, those that share a host and should not, and of those that should be
    /// together all that are not where most of them are.</summary>
    public IEnumerable<int> Breaking(int rule, int[] at)
    {
        var placed = _members[rule].Where(vm => at[vm] >= 0);
        if (_allowed[rule] is { } allowed)
            return placed.Where(vm => !allowed[at[vm]]);
        var hosts = placed.GroupBy(vm => at[vm]).OrderByDescending(h => h.Count()).ThenBy(h => h.Key);
        return _rules[rule].Kind == RuleKind.Apart ? hosts.Where(h => h.Count() > 1).SelectMany(h => h).Order() : hosts.Skip(1).SelectMany(h => h).Order();
    }

    /// <summary>By how much a move of one machine raises the number of broken rules; below zero when it mends.</summary>
    public int Change(int vm, int to, ReadOnlySpan<int> at)
    {
        var change = 0;
        foreach (var rule in _rulesOf[vm])
            change += Change(rule, vm, to, at);
        return change;
    }

    /// <summary>What a move of one machine changes about the rules that must hold, and about those that only should.</summary>
    public RuleChange Weigh(int vm, int to, ReadOnlySpan<int> at)
    {
        var sum = default(RuleChange);
        foreach (var rule in _rulesOf[vm])
            sum += Weigh(rule, Change(rule, vm, to, at));
        return sum;
    }

    /// <summary>As <see cref="Weigh(int, int, ReadOnlySpan{int})"/>, of a placement beside one that breaks nothing.</summary>
    public RuleChange Weigh(ReadOnlySpan<int> at)
    {
        var sum = default(RuleChange);
        for (var rule = 0; rule < _rules.Length; rule++)
            sum += Weigh(rule, Broken(rule, at));
        return sum;
    }

    /// <summary>As <see cref="Change(int, int, ReadOnlySpan{int})"/>, of one rule.</summary>
    public int Change(int rule, int vm, int to, ReadOnlySpan<int> at)
    {
        var from = at[vm];
        if (from == to)
            return 0;
        if (_allowed[rule] is { } allowed)
            return (allowed[to] ? 0 : 1) - (from < 0 || allowed[from] ? 0 : 1);
        var (there, here, elsewhere) = (0, 0, 0);
        foreach (var other in _members[rule])
        {
            if (other == vm || at[other] < 0)
                continue;
            if (at[other] == to)
                there++;
            else if (at[other] == from)
                here++;
            else
                elsewhere++;
        }

        if (_rules[rule].Kind == RuleKind.Apart)
            return (there > 0 ? 1 : 0) - (from >= 0 && here > 0 ? 1 : 0);
        // The hosts that the others are on, without the one it leaves and with the one it comes to.
        if (there + here + elsewhere == 0)
            return 0;
        return (there > 0 ? 0 : 1) - (from >= 0 && here == 0 ? 1 : 0);
    }

    /// <summary>As <see cref="Change(int, int, int, ReadOnlySpan{int})"/>, of machines that all move to one host; those the rule does not speak of
    /// change nothing.</summary>
    public int Change(int rule, ReadOnlySpan<int> vms, int to, ReadOnlySpan<int> at)
    {
        var (change, places) = (0, at.ToArray());
        foreach (var vm in vms)
        {
            if (!RulesOf(vm).Contains(rule))
                continue;
            change += Change(rule, vm, to, places);
            places[vm] = to;
        }

        return change;
    }

    /// <summary>What it counts that so many machines break one rule.</summary>
    public RuleChange Weigh(int rule, int machines) => _rules[rule].IsMust ? new(machines, 0) : new(0, machines * (1 + _rules[rule].Priority));

    private static int Outside(int[] members, ReadOnlySpan<int> at, bool[] allowed)
    {
        var broken = 0;
        foreach (var vm in members)
            broken += at[vm] < 0 || allowed[at[vm]] ? 0 : 1;
        return broken;
    }

    private static bool IsFirst(int[] members, int i, ReadOnlySpan<int> at)
    {
        for (var j = 0; j < i; j++)
        {
            if (at[members[j]] == at[members[i]])
                return false;
        }

        return true;
    }

    private static bool[] Allowed(SnapshotRule rule, IReadOnlyDictionary<string, int> hosts)
    {
        var allowed = new bool[hosts.Count];
        foreach (var name in rule.Hosts)
        {
            if (hosts.TryGetValue(name, out var host))
                allowed[host] = true;
        }

        return allowed;
    }
}
