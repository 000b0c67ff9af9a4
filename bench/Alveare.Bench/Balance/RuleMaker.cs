using Alveare.Planning.Snapshots;

namespace Alveare.Bench.Balance;

/// <summary>Makes rules over machines that have their places: a twentieth of the machines are to be apart, three in a hundred together, two in a hundred on certain
/// hosts. No machine is in two rules, and every third rule of a kind begins broken.</summary>
/// <param name="at">The host of each machine, by number.</param>
internal sealed class RuleMaker(Random dice, int[] at, string[] vms, string[] hosts)
{
    private readonly List<SnapshotRule> _rules = [];
    private List<int> _free = [];

    public IReadOnlyList<SnapshotRule> Make()
    {
        var free = Enumerable.Range(0, vms.Length).ToArray();
        dice.Shuffle(free);
        _free = [.. free];
        MakePairs(RuleKind.Apart, 0.05);
        MakePairs(RuleKind.Together, 0.03);
        MakeBound(Math.Max(2, vms.Length / 50));
        return _rules;
    }

    // Two or three machines of one host, or of as many hosts.
    private void MakePairs(RuleKind kind, double part)
    {
        var left = (int)Math.Round(part * vms.Length);
        for (var number = 0; left >= 2; number++)
        {
            var size = Math.Min(left, dice.Next(2, 4));
            var isBroken = number % 3 == 0;
            var group = Draw(size, onOneHost: isBroken == (kind == RuleKind.Apart));
            left -= size;
            if (group.Count >= 2)
                Add(kind, group, []);
        }
    }

    private void MakeBound(int left)
    {
        for (var number = 0; left > 0; number++)
        {
            var group = _free.Take(Math.Min(left, dice.Next(1, 7))).ToList();
            var present = group.Select(v => hosts[at[v]]).ToHashSet();
            var drawn = hosts.ToArray();
            dice.Shuffle(drawn);
            var allowed = drawn.Take(Math.Max(2, hosts.Length / 4)).ToHashSet();
            if (number % 3 == 0)
                allowed.ExceptWith(present);
            else
                allowed.UnionWith(present);
            if (allowed.Count == 0)
                allowed.Add(hosts.First(h => !present.Contains(h)));
            Add(RuleKind.OnHosts, group, [.. allowed.Order(StringComparer.Ordinal)]);
            left -= group.Count;
        }
    }

    private List<int> Draw(int size, bool onOneHost)
    {
        var group = new List<int> { _free[0] };
        foreach (var vm in _free.Skip(1).TakeWhile(_ => group.Count < size))
        {
            if (onOneHost ? at[vm] == at[group[0]] : group.All(g => at[g] != at[vm]))
                group.Add(vm);
        }

        return group;
    }

    private void Add(RuleKind kind, List<int> group, string[] allowed)
    {
        _free.RemoveAll(group.Contains);
        _rules.Add(new SnapshotRule($"r{_rules.Count:0000}", kind, [.. group.Select(v => vms[v])], [.. allowed]));
    }
}
