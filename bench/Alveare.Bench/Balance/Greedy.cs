using System.Diagnostics;
using Alveare.Planning.Snapshots;

namespace Alveare.Bench.Balance;

/// <summary>A plain balancer to hold ours against: always the one move that is best now, until none is worth what it costs.</summary>
/// <remarks>Steepest descent on the sum of the standard deviations of CPU and of memory over the hosts, less a small price for the memory that a move sends. As long as a
/// move mends a rule only such moves are looked at, those that mend most first. No move breaks a rule, nor brings a host over its memory or its reservations. It knows
/// nothing of the planner.</remarks>
internal sealed class Greedy
{
    /// <summary>What the memory of a mean host, sent over the network, is worth of the sum of the deviations.</summary>
    private const double PriceOfHost = 0.001;

    private const double Least = 1e-12;

    private readonly SnapshotHost[] _hosts;
    private readonly SnapshotVm[] _vms;
    private readonly Binding[][] _rulesOf;
    private readonly int[] _at;
    private readonly double[] _cpuOf;
    private readonly double[] _memoryOf;
    private readonly Loads _cpu;
    private readonly Loads _memory;
    private readonly (double Consumed, double Memory, double Cpu)[] _taken;
    private readonly double _pricePerMb;

    private Greedy(ClusterSnapshot cluster)
    {
        (_hosts, _vms) = ([.. cluster.Hosts], [.. cluster.Vms]);
        var hosts = _hosts.Index().ToDictionary(h => h.Item.Id, h => h.Index);
        var vms = _vms.Index().ToDictionary(v => v.Item.Id, v => v.Index);
        var rules = cluster.Rules.Select(r => new Binding(r.Kind, [.. r.Vms.Select(v => vms[v])], [.. r.Hosts.Select(h => hosts[h])]));
        var rulesOf = rules.SelectMany(r => r.Vms.Select(v => (Vm: v, Rule: r))).ToLookup(x => x.Vm, x => x.Rule);
        _rulesOf = [.. Enumerable.Range(0, _vms.Length).Select(v => rulesOf[v].ToArray())];
        _at = [.. _vms.Select(v => hosts[v.Host])];
        _cpuOf = [.. _vms.Select(v => v.CpuLimitMhz < 0 ? v.CpuDemandMhz : Math.Min(v.CpuDemandMhz, v.CpuLimitMhz))];
        _memoryOf = [.. _vms.Select(v => v.ActiveMb + (0.25 * (v.ConsumedMb - v.ActiveMb)))];
        (_cpu, _memory) = (new Loads([.. _hosts.Select(h => h.CpuMhz)]), new Loads([.. _hosts.Select(h => h.MemMb)]));
        _taken = new (double, double, double)[_hosts.Length];
        for (var vm = 0; vm < _vms.Length; vm++)
            Add(vm, _at[vm], 1);
        _pricePerMb = PriceOfHost / _hosts.Average(h => h.MemMb);
    }

    /// <summary>A rule by the numbers of its machines and hosts.</summary>
    private sealed record Binding(RuleKind Kind, int[] Vms, HashSet<int> Hosts);

    /// <param name="most">As long as it may look.</param>
    /// <returns>The moves in their order; null where there was no time for all.</returns>
    public static IReadOnlyList<ReplayedMove>? Plan(ClusterSnapshot cluster, int? maxMoves, TimeSpan most)
    {
        var (greedy, moves, since) = (new Greedy(cluster), new List<ReplayedMove>(), Stopwatch.GetTimestamp());
        while (moves.Count != maxMoves && greedy.Best() is var (vm, to))
        {
            if (Stopwatch.GetElapsedTime(since) > most)
                return null;
            moves.Add(new(greedy._vms[vm].Id, greedy._hosts[greedy._at[vm]].Id, greedy._hosts[to].Id));
            greedy.Move(vm, to);
        }

        return moves;
    }

    private (int Vm, int To)? Best()
    {
        (int, int)? best = null;
        var (fewest, least) = (0, -Least);
        var now = _cpu.Deviation + _memory.Deviation;
        for (var vm = 0; vm < _vms.Length; vm++)
        {
            var (from, price) = (_at[vm], _pricePerMb * _vms[vm].ConsumedMb);
            var (cpu, memory) = (_cpu.Without(_cpuOf[vm], from), _memory.Without(_memoryOf[vm], from));
            for (var to = 0; to < _hosts.Length; to++)
            {
                if (to == from)
                    continue;
                var broken = _rulesOf[vm].Length == 0 ? 0 : Change(vm, to);
                if (broken > fewest)
                    continue;
                var cost = _cpu.DeviationWith(cpu, _cpuOf[vm], to) + _memory.DeviationWith(memory, _memoryOf[vm], to) - now + price;
                if ((broken < fewest || cost < least) && HasRoom(vm, to))
                    (best, fewest, least) = ((vm, to), broken, cost);
            }
        }

        return best;
    }

    private int Change(int vm, int to)
    {
        var from = _at[vm];
        var before = _rulesOf[vm].Sum(Broken);
        _at[vm] = to;
        var after = _rulesOf[vm].Sum(Broken);
        _at[vm] = from;
        return after - before;
    }

    private int Broken(Binding rule)
    {
        if (rule.Kind == RuleKind.OnHosts)
            return rule.Vms.Count(v => !rule.Hosts.Contains(_at[v]));
        var distinct = rule.Vms.Select(v => _at[v]).Distinct().Count();
        return rule.Kind == RuleKind.Apart ? rule.Vms.Length - distinct : distinct - 1;
    }

    private bool HasRoom(int vm, int to)
    {
        var (machine, host, taken) = (_vms[vm], _hosts[to], _taken[to]);
        return taken.Consumed + machine.ConsumedMb <= host.MemMb
            && taken.Memory + machine.MemReservationMb <= host.MemMb
            && taken.Cpu + machine.CpuReservationMhz <= host.CpuMhz;
    }

    private void Move(int vm, int to)
    {
        Add(vm, _at[vm], -1);
        Add(vm, to, 1);
        _at[vm] = to;
    }

    private void Add(int vm, int host, int sign)
    {
        _cpu.Add(sign * _cpuOf[vm], host);
        _memory.Add(sign * _memoryOf[vm], host);
        var (machine, taken) = (_vms[vm], _taken[host]);
        _taken[host] = (taken.Consumed + (sign * machine.ConsumedMb), taken.Memory + (sign * machine.MemReservationMb), taken.Cpu + (sign * machine.CpuReservationMhz));
    }

    /// <summary>The loads of the hosts, as shares of what each has, with their sum and the sum of their squares.</summary>
    private sealed class Loads(double[] capacities)
    {
        private readonly double[] _loads = new double[capacities.Length];
        private double _sum;
        private double _squares;

        public double Deviation => Of(_sum, _squares);

        public void Add(double amount, int host)
        {
            _sum += amount / capacities[host];
            _squares -= _loads[host] * _loads[host];
            _loads[host] += amount / capacities[host];
            _squares += _loads[host] * _loads[host];
        }

        /// <summary>The two sums with so much less on a host.</summary>
        public (double Sum, double Squares) Without(double amount, int host)
        {
            var less = amount / capacities[host];
            return (_sum - less, _squares - (less * ((2 * _loads[host]) - less)));
        }

        /// <summary>The deviation by such sums with so much more on another host.</summary>
        public double DeviationWith((double Sum, double Squares) sums, double amount, int host)
        {
            var more = amount / capacities[host];
            return Of(sums.Sum + more, sums.Squares + (more * ((2 * _loads[host]) + more)));
        }

        private double Of(double sum, double squares)
        {
            var mean = sum / capacities.Length;
            return Math.Sqrt(Math.Max(0, (squares / capacities.Length) - (mean * mean)));
        }
    }
}
