using Alveare.Planning.Balancing;
using Alveare.Planning.Clusters;
using Alveare.Planning.Snapshots;
using Xunit;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>Plans of the highest level beside plain greedy moves, in clusters of few machines, where chance gives greedy moves a better figure now and then.</summary>
public sealed class GreedyComparisonTests
{
    private const double PriceOfHost = 0.001;

    /// <summary>Where greedy moves end early, and what is left is worth its price, more GB are moved than by them: once in these.</summary>
    [Fact]
    public void AFigureIsHardlyEverWorseThanThatOfPlainGreedyMoves()
    {
        var worse = Enumerable.Range(1, 12).SelectMany(Worse).ToList();
        Assert.True(worse.Count <= 1, string.Join("; ", worse));
    }

    private static IEnumerable<string> Worse(int seed)
    {
        var cluster = new Cluster(Made(seed));
        var (ours, greedy) = (new ClusterState(cluster), new ClusterState(cluster));
        foreach (var move in Balancer.Plan(cluster.Snapshot, BalanceLevel.Of(BalanceLevel.Highest)).Moves)
            ours.Move(cluster.VmNumbers[move.Vm], cluster.HostNumbers[move.To]);
        while (Best(greedy) is var (vm, to))
            greedy.Move(vm, to);
        return Figures(ours).Zip(Figures(greedy))
            .Where(pair => pair.First.Value > pair.Second.Value + 1e-4)
            .Select(pair => $"{pair.First.Name} of seed {seed} is {pair.First.Value}, and {pair.Second.Value} by greedy moves");
    }

    private static ClusterSnapshot Made(int seed)
    {
        var random = new Random(seed);
        int[] sizes = [1, 2, 4, 8, 16, 32];
        return new()
        {
            Hosts = [.. Enumerable.Range(0, 8).Select(n => new SnapshotHost($"h{n}", n < 4 ? 20_000 : 40_000, n < 4 ? 131_072 : 262_144))],
            Vms =
            [
                .. Enumerable.Range(0, 60).Select(n => (Id: $"vm{n:00}", Mb: 1_024 * sizes[random.Next(sizes.Length)])).Select(vm => new SnapshotVm
                {
                    Id = vm.Id,
                    Host = $"h{random.Next(8)}",
                    CpuDemandMhz = 300 * Math.Exp(2.5 * random.NextDouble()),
                    ConsumedMb = vm.Mb * 0.8,
                    ActiveMb = vm.Mb * 0.8 * random.NextDouble(),
                }),
            ],
        };
    }

    private static (int Vm, int To)? Best(ClusterState state)
    {
        ((int, int)? best, var least, var now) = (null, -1e-12, ClusterFigures.Of(state));
        for (var vm = 0; vm < state.At.Length; vm++)
        {
            for (var (to, from) = (0, state.At[vm]); to < state.CpuLoad.Length; to++)
            {
                if (to == from || !state.MayMove(vm, to))
                    continue;
                state.Move(vm, to);
                var then = ClusterFigures.Of(state);
                state.Move(vm, from);
                if (then.SdCpu + then.SdMem - now.SdCpu - now.SdMem + (PriceOfHost * state.Cluster.Gb[vm] / state.Cluster.MeanHostGb) is var cost && cost < least)
                    (best, least) = ((vm, to), cost);
            }
        }

        return best;
    }

    private static IEnumerable<(string Name, double Value)> Figures(ClusterState state)
    {
        var figures = ClusterFigures.Of(state);
        return
        [
            ("GB moved", state.GbAwayFrom(state.Cluster.Start)), ("deviation of CPU", figures.SdCpu), ("deviation of memory", figures.SdMem),
            ("most CPU", figures.MaxCpu), ("most memory", figures.MaxMem),
        ];
    }
}
