using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>Exchanges machines between two hosts where no single move helps any more.</summary>
/// <remarks>A host whose machines are all big is left above or below the mean by less than any of them; what helps is one out and a slightly
/// different one in. The change by an exchange is a parabola in the net CPU and one in the net memory, so that with the machines of
/// each host sorted by CPU only those near the vertex need be looked at.</remarks>
internal sealed class SwapSearch(ClusterState state, Spread spread, int[] home)
{
    private const int SwapsPerHost = 4;

    private readonly List<int>[] _on = new List<int>[state.CpuLoad.Length];
    private double _best;
    private (int Out, int In) _swap;

    /// <summary>Makes exchanges that gain more than the GB they move cost, host by host, the one furthest from the mean first.</summary>
    /// <param name="perGb">Price of a GB.</param>
    /// <param name="isEnough">Asked after each exchange.</param>
    /// <returns>How many were made.</returns>
    public int Run(double perGb, Func<bool> isEnough)
    {
        List();
        var made = 0;
        foreach (var host in Enumerable.Range(0, _on.Length).OrderByDescending(h => spread.DistanceOf(h)).ToArray())
        {
            for (var again = 0; again < SwapsPerHost && Find(host, perGb); again++)
            {
                Make();
                made++;
                if (isEnough())
                    return made;
            }
        }

        return made;
    }

    private void List()
    {
        for (var host = 0; host < _on.Length; host++)
            _on[host] = [];
        for (var vm = 0; vm < state.At.Length; vm++)
            _on[state.At[vm]].Add(vm);
        foreach (var vms in _on)
            vms.Sort(ByCpu);
    }

    private int ByCpu(int one, int other)
    {
        var order = state.Cluster.Cpu[one].CompareTo(state.Cluster.Cpu[other]);
        return order != 0 ? order : one.CompareTo(other);
    }

    private void Make()
    {
        var (here, there) = (state.At[_swap.Out], state.At[_swap.In]);
        spread.Move(_swap.Out, there);
        spread.Move(_swap.In, here);
        _on[here].Remove(_swap.Out);
        _on[there].Remove(_swap.In);
        Insert(_on[here], _swap.In);
        Insert(_on[there], _swap.Out);
    }

    private void Insert(List<int> vms, int vm)
    {
        var place = vms.BinarySearch(vm, Comparer<int>.Create(ByCpu));
        vms.Insert(~place, vm);
    }

    private bool Find(int here, double perGb)
    {
        _best = -Spread.LeastGain;
        for (var there = 0; there < _on.Length; there++)
        {
            if (there != here)
                Find(here, there, perGb);
        }

        return _best < -Spread.LeastGain;
    }

    private void Find(int here, int there, double perGb)
    {
        var (cpuWidth, cpuSlope) = spread.CpuParabola(here, there);
        var (memWidth, memSlope) = spread.MemParabola(here, there);
        var (cpuVertex, memGain) = (-cpuSlope / (2 * cpuWidth), memSlope * memSlope / (4 * memWidth));
        var reach = _best + memGain + (cpuSlope * cpuSlope / (4 * cpuWidth));
        if (reach <= 0)
            return;
        reach = Math.Sqrt(reach / cpuWidth);
        var (cpu, mem, others) = (state.Cluster.Cpu, state.Cluster.Mem, _on[there]);
        var first = 0;
        foreach (var vm in _on[here])
        {
            var (lowest, highest) = (cpu[vm] - cpuVertex - reach, cpu[vm] - cpuVertex + reach);
            while (first < others.Count && cpu[others[first]] < lowest)
                first++;
            for (var i = first; i < others.Count && cpu[others[i]] <= highest; i++)
            {
                var other = others[i];
                var (x, y) = (cpu[vm] - cpu[other], mem[vm] - mem[other]);
                var change = (x * ((cpuWidth * x) + cpuSlope)) + (y * ((memWidth * y) + memSlope));
                if (change < _best && change + (perGb * (Cost(vm, here, there) + Cost(other, there, here))) is var net && net < _best && MaySwap(vm, other))
                    (_best, _swap) = (net, (vm, other));
            }
        }
    }

    private double Cost(int vm, int from, int to) =>
        from == home[vm] ? state.Cluster.Gb[vm] : to == home[vm] ? -state.Cluster.Gb[vm] : 0;

    private bool MaySwap(int vm, int other)
    {
        var rules = state.Cluster.Rules;
        var (here, there) = (state.At[vm], state.At[other]);
        return !(rules.HasRules(vm) && rules.HasRules(other))
            && !rules.Weigh(vm, there, state.At).IsWorse
            && !rules.Weigh(other, here, state.At).IsWorse
            && state.HasRoom(vm, there, other)
            && state.HasRoom(other, here, vm);
    }
}
