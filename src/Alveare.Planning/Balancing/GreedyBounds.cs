using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>What plain greedy moves come to: GB moved, the two deviations and how far the worst hosts are above the mean. A plan is to be worse in none of them.</summary>
/// <remarks>The price descent minimises a sum, so that a plan may have a better sum and yet be worse in one of these. No one price avoids that in every
/// cluster, so they are looked at one by one.</remarks>
internal sealed class GreedyBounds
{
    /// <summary>What the memory of a mean host, sent over the network, is worth of the sum of the deviations.</summary>
    public const double PriceOfHost = 0.001;

    /// <summary>Rules first: more than all the unevenness there is.</summary>
    private const double Mending = 1_000;

    /// <summary>A figure twice as high as the bound counts so many times what the greedy moves leave of spread and price.</summary>
    public const double Weight = 10;

    /// <summary>A lower bound than this, in shares of a host or in GB, is as good as it.</summary>
    private const double Least = 1e-4;

    private readonly ClusterState _state;
    private readonly Spread _spread;
    private readonly double[] _figures;
    private readonly (double Cpu, double Mem) _mean;

    private GreedyBounds(ClusterState state, Spread spread, double gb, double perGb)
    {
        (_state, _spread) = (state, spread);
        var (cluster, placed) = (state.Cluster, Enumerable.Range(0, state.At.Length).Where(vm => state.At[vm] >= 0).ToList());
        _mean = (placed.Sum(vm => cluster.Cpu[vm]) / cluster.Hosts.Sum(h => h.CpuMhz), placed.Sum(vm => cluster.Mem[vm]) / cluster.Hosts.Sum(h => h.MemMb));
        (End, Cost, _figures) = (state.At.ToArray(), spread.Total + (gb * perGb), new double[5]);
        Read(_figures, gb);
    }

    /// <summary>Where the greedy moves put each machine.</summary>
    public int[] End { get; }

    /// <summary>What they leave: the spread, and the price of the GB moved.</summary>
    public double Cost { get; }

    /// <summary>What greedy moves from a placement come to; the machines stay where they are. Null where they are too many.</summary>
    public static GreedyBounds? Of(int[] home, ClusterState state, Spread spread, double perGb)
    {
        var now = state.At.ToArray();
        spread.Place(home);
        var greedy = new SteepestMoves(state, spread, Mending, PriceOfHost / state.Cluster.MeanHostGb) { MayMoveAgain = true };
        var bounds = greedy.Run(int.MaxValue) ? new GreedyBounds(state, spread, state.GbAwayFrom(home), perGb) : null;
        spread.Place(now);
        return bounds;
    }

    /// <summary>What counts, beside spread and price, against the placement as it is; 0 where no figure is worse than the greedy moves'.</summary>
    /// <param name="weight">What a figure twice as high as the bound counts, in shares of <see cref="Cost"/>.</param>
    public double Penalty(double gb, double weight)
    {
        Span<double> figures = stackalloc double[_figures.Length];
        Read(figures, gb);
        var excess = 0.0;
        for (var i = 0; i < figures.Length; i++)
            excess += Math.Max(0, (figures[i] / Math.Max(_figures[i], Least)) - 1);
        return weight * Cost * excess;
    }

    // The mean is of the whole cluster, below which no placement brings its worst host.
    private void Read(Span<double> figures, double gb)
    {
        (figures[0], figures[1], figures[2]) = (gb, _spread.CpuDeviation, _spread.MemDeviation);
        (figures[3], figures[4]) = (0, 0);
        for (var host = 0; host < _state.CpuLoad.Length; host++)
        {
            figures[3] = Math.Max(figures[3], _state.CpuLoad[host] - _mean.Cpu);
            figures[4] = Math.Max(figures[4], _state.MemLoad[host] - _mean.Mem);
        }
    }
}
