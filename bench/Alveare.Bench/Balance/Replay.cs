using Alveare.Planning.Snapshots;

namespace Alveare.Bench.Balance;

/// <summary>One move of a plan, as its JSON has it.</summary>
internal sealed record ReplayedMove(string Vm, string From, string To);

/// <summary>How a cluster stands after moves: loads are shares of what a host has, deviations are over hosts.</summary>
/// <param name="Errors">Moves that cannot be made: of a machine that is not there, or to a host without room for its memory or a reservation.</param>
/// <param name="Breaking">Moves after which more machines broke a rule than before.</param>
/// <param name="Broken">Machines that break a rule.</param>
internal sealed record Standing(int Errors, int Breaking, int Broken, double MovedGb, double SdCpu, double SdMem, double MaxCpu, double MaxMem)
{
    public double Deviations => SdCpu + SdMem;
}

/// <summary>Makes the moves of a plan one after the other and says what comes of it. It knows nothing of the planner: what it reckons, it reckons anew from the
/// snapshot.</summary>
internal sealed class Replay
{
    private readonly ClusterSnapshot _cluster;
    private readonly Dictionary<string, SnapshotHost> _hosts;
    private readonly Dictionary<string, SnapshotVm> _vms;
    private readonly Dictionary<string, string> _at;
    private readonly Dictionary<string, (double Memory, double Promised, double Cpu)> _taken;

    private Replay(ClusterSnapshot cluster)
    {
        _cluster = cluster;
        _hosts = cluster.Hosts.ToDictionary(h => h.Id);
        _vms = cluster.Vms.ToDictionary(v => v.Id);
        _at = cluster.Vms.ToDictionary(v => v.Id, v => v.Host);
        _taken = cluster.Hosts.ToDictionary(h => h.Id, _ => (0.0, 0.0, 0.0));
        foreach (var vm in cluster.Vms)
            Take(vm, vm.Host, 1);
    }

    public static Standing Of(ClusterSnapshot cluster, IReadOnlyList<ReplayedMove> moves)
    {
        var replay = new Replay(cluster);
        var rulesOf = cluster.Rules.SelectMany(r => r.Vms.Select(v => (Vm: v, Rule: r))).ToLookup(x => x.Vm, x => x.Rule);
        var (errors, breaking, moved) = (0, 0, 0.0);
        foreach (var move in moves)
        {
            if (!replay._vms.TryGetValue(move.Vm, out var vm) || !replay._hosts.ContainsKey(move.To) || replay._at[move.Vm] != move.From || move.To == move.From)
            {
                errors++;
                continue;
            }

            var before = rulesOf[move.Vm].Sum(replay.Breakers);
            replay.Take(vm, move.From, -1);
            replay.Take(vm, move.To, 1);
            replay._at[move.Vm] = move.To;
            errors += replay.IsOver(move.To) ? 1 : 0;
            breaking += rulesOf[move.Vm].Sum(replay.Breakers) > before ? 1 : 0;
            moved += vm.ConsumedMb / 1024;
        }

        return replay.Stand(errors, breaking, moved);
    }

    private void Take(SnapshotVm vm, string host, int sign)
    {
        var (memory, promised, cpu) = _taken[host];
        _taken[host] = (memory + (sign * vm.ConsumedMb), promised + (sign * vm.MemReservationMb), cpu + (sign * vm.CpuReservationMhz));
    }

    private bool IsOver(string host)
    {
        var (memory, promised, cpu) = _taken[host];
        return memory > _hosts[host].MemMb || promised > _hosts[host].MemMb || cpu > _hosts[host].CpuMhz;
    }

    private int Breakers(SnapshotRule rule)
    {
        var distinct = rule.Vms.Select(v => _at[v]).Distinct().Count();
        return rule.Kind switch
        {
            RuleKind.Apart => rule.Vms.Length - distinct,
            RuleKind.Together => distinct - 1,
            _ => rule.Vms.Count(v => !rule.Hosts.Contains(_at[v])),
        };
    }

    private Standing Stand(int errors, int breaking, double moved)
    {
        var cpu = _hosts.Keys.ToDictionary(h => h, _ => 0.0);
        var memory = _hosts.Keys.ToDictionary(h => h, _ => 0.0);
        foreach (var vm in _cluster.Vms)
        {
            var host = _hosts[_at[vm.Id]];
            cpu[host.Id] += (vm.CpuLimitMhz < 0 ? vm.CpuDemandMhz : Math.Min(vm.CpuDemandMhz, vm.CpuLimitMhz)) / host.CpuMhz;
            memory[host.Id] += (vm.ActiveMb + (0.25 * (vm.ConsumedMb - vm.ActiveMb))) / host.MemMb;
        }

        return new Standing(errors, breaking, _cluster.Rules.Sum(Breakers), moved, Deviation(cpu.Values), Deviation(memory.Values), cpu.Values.Max(), memory.Values.Max());
    }

    private static double Deviation(IReadOnlyCollection<double> loads)
    {
        var mean = loads.Average();
        return Math.Sqrt(loads.Average(l => (l - mean) * (l - mean)));
    }
}
