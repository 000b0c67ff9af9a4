using System.Numerics;
using System.Runtime.CompilerServices;
using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>How unevenly CPU and memory are spread over the hosts, and by how much each possible move of a machine changes that.</summary>
/// <remarks>The measure is the sum over hosts of the squared distance of the load from its mean, CPU and memory together: the number of hosts
/// times the sum of the two variances. Its change by a move needs the loads of two hosts only; the mean moves too, since hosts differ
/// in size.</remarks>
internal sealed class Spread
{
    /// <summary>A gain below it, of the spread or of the deviations, is rounding and none.</summary>
    public const double LeastGain = 1e-12;

    private readonly ClusterState _state;
    private readonly double[] _change;
    private readonly int _hosts;
    private double _cpuSum, _cpuSquares, _memSum, _memSquares;

    public Spread(ClusterState state)
    {
        _state = state;
        _hosts = state.CpuLoad.Length;
        _change = new double[_hosts];
        Recount();
    }

    public double Cpu => Math.Max(0, _cpuSquares - (_cpuSum * _cpuSum / _hosts));

    public double Mem => Math.Max(0, _memSquares - (_memSum * _memSum / _hosts));

    public double Total => Cpu + Mem;

    /// <summary>Standard deviation of the CPU load over the hosts.</summary>
    public double CpuDeviation => _hosts == 0 ? 0 : Math.Sqrt(Cpu / _hosts);

    public double MemDeviation => _hosts == 0 ? 0 : Math.Sqrt(Mem / _hosts);

    /// <summary>Reads the loads anew, so that no error of rounding adds up over many moves.</summary>
    public void Recount()
    {
        (_cpuSum, _cpuSquares, _memSum, _memSquares) = (0, 0, 0, 0);
        for (var host = 0; host < _hosts; host++)
            Count(host, 1);
    }

    public void Move(int vm, int to)
    {
        var from = _state.At[vm];
        Count(from, -1);
        Count(to, -1);
        _state.Move(vm, to);
        Count(from, 1);
        Count(to, 1);
    }

    /// <summary>Puts every machine to its host in the placement.</summary>
    public void Place(ReadOnlySpan<int> placement)
    {
        for (var vm = 0; vm < placement.Length; vm++)
        {
            if (_state.At[vm] != placement[vm])
                Move(vm, placement[vm]);
        }

        Recount();
    }

    /// <summary>The change of <see cref="Total"/> by one move.</summary>
    public double Change(int vm, int to) => CpuChange(vm, to) + MemChange(vm, to);

    /// <summary>The change of the sum of the two deviations by one move.</summary>
    public double DeviationsChange(int vm, int to) =>
        Math.Sqrt(Math.Max(0, Cpu + CpuChange(vm, to)) / _hosts) + Math.Sqrt(Math.Max(0, Mem + MemChange(vm, to)) / _hosts) - CpuDeviation - MemDeviation;

    /// <summary>The least of the last <see cref="Changes"/>, or something below it.</summary>
    public double Least { get; private set; }

    /// <summary>The change of <see cref="Total"/> by the machine's move to each host; the entry of its own host means nothing.</summary>
    /// <returns>Valid until the next call.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double[] Changes(int vm)
    {
        var from = _state.At[vm];
        var (cpu, mem) = (_state.Cluster.Cpu[vm], _state.Cluster.Mem[vm]);
        var (cpuLoad, memLoad, perMhz, perMb, change) = (_state.CpuLoad, _state.MemLoad, _state.CpuPerMhz, _state.MemPerMb, _change);
        var (cpuHere, memHere) = (cpu * perMhz[from], mem * perMb[from]);
        var (cpuMean, memMean, share) = (_cpuSum / _hosts, _memSum / _hosts, 1.0 / _hosts);
        var leaving = (cpuHere * (cpuHere - (2 * (cpuLoad[from] - cpuMean)))) + (memHere * (memHere - (2 * (memLoad[from] - memMean))));
        var host = 0;
        var least = new Vector<double>(double.PositiveInfinity);
        for (; host <= _hosts - Vector<double>.Count; host += Vector<double>.Count)
        {
            var (cpuThere, memThere) = (new Vector<double>(perMhz, host) * cpu, new Vector<double>(perMb, host) * mem);
            var cpuAbove = new Vector<double>(cpuLoad, host) - new Vector<double>(cpuMean);
            var memAbove = new Vector<double>(memLoad, host) - new Vector<double>(memMean);
            var (cpuMore, memMore) = (cpuThere - new Vector<double>(cpuHere), memThere - new Vector<double>(memHere));
            var sum = (cpuThere * (cpuAbove + cpuAbove + cpuThere)) + (memThere * (memAbove + memAbove + memThere))
                - (((cpuMore * cpuMore) + (memMore * memMore)) * share) + new Vector<double>(leaving);
            sum.CopyTo(change, host);
            least = Vector.Min(least, sum);
        }

        for (; host < _hosts; host++)
        {
            var (cpuThere, memThere) = (perMhz[host] * cpu, perMb[host] * mem);
            var (cpuMore, memMore) = (cpuThere - cpuHere, memThere - memHere);
            change[host] = (cpuThere * ((2 * (cpuLoad[host] - cpuMean)) + cpuThere)) + (memThere * ((2 * (memLoad[host] - memMean)) + memThere))
                - (((cpuMore * cpuMore) + (memMore * memMore)) * share) + leaving;
            least = Vector.Min(least, new Vector<double>(change[host]));
        }

        Least = double.PositiveInfinity;
        for (var lane = 0; lane < Vector<double>.Count; lane++)
            Least = Math.Min(Least, least[lane]);
        return change;
    }

    /// <summary>The change of <see cref="Cpu"/> when x MHz go from one host to another: width times x squared plus slope times x.</summary>
    public (double Width, double Slope) CpuParabola(int from, int to) => Parabola(_state.CpuLoad, _state.CpuPerMhz, _cpuSum, from, to);

    /// <summary>As <see cref="CpuParabola"/>, of memory in MB.</summary>
    public (double Width, double Slope) MemParabola(int from, int to) => Parabola(_state.MemLoad, _state.MemPerMb, _memSum, from, to);

    /// <summary>What one host adds to <see cref="Total"/>.</summary>
    public double DistanceOf(int host)
    {
        var (cpu, mem) = (_state.CpuLoad[host] - (_cpuSum / _hosts), _state.MemLoad[host] - (_memSum / _hosts));
        return (cpu * cpu) + (mem * mem);
    }

    private (double Width, double Slope) Parabola(double[] load, double[] per, double sum, int from, int to)
    {
        var (mean, net) = (sum / _hosts, per[to] - per[from]);
        var slope = 2 * ((per[to] * (load[to] - mean)) - (per[from] * (load[from] - mean)));
        return ((per[from] * per[from]) + (per[to] * per[to]) - (net * net / _hosts), slope);
    }

    private double CpuChange(int vm, int to) => Change(_state.CpuLoad, _cpuSum, _state.CpuPerMhz, _state.At[vm], to, _state.Cluster.Cpu[vm]);

    private double MemChange(int vm, int to) => Change(_state.MemLoad, _memSum, _state.MemPerMb, _state.At[vm], to, _state.Cluster.Mem[vm]);

    private double Change(double[] load, double sum, double[] per, int from, int to, double amount)
    {
        if (from == to)
            return 0;
        var (less, more) = (amount * per[from], amount * per[to]);
        var mean = sum / _hosts;
        var net = more - less;
        return (less * (less - (2 * (load[from] - mean)))) + (more * (more + (2 * (load[to] - mean)))) - (net * net / _hosts);
    }

    private void Count(int host, int sign)
    {
        var (cpu, mem) = (_state.CpuLoad[host], _state.MemLoad[host]);
        _cpuSum += sign * cpu;
        _cpuSquares += sign * cpu * cpu;
        _memSum += sign * mem;
        _memSquares += sign * mem * mem;
    }
}
