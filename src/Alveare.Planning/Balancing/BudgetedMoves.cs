using Alveare.Planning.Clusters;
using Alveare.Planning.Rules;

namespace Alveare.Planning.Balancing;

/// <summary>Looks for the best moves where fewer may be made than are worth it.</summary>
/// <remarks>What is minimised is the sum of the two standard deviations, a count for each broken rule, and next to nothing for what is sent. Of all that is met the best is
/// kept: the moves that are best one by one, with rules first and with rules by what they count, the first of the long plan, and what annealing makes of these. So by what is
/// minimised none is worse than plain greedy moves.</remarks>
internal sealed class BudgetedMoves
{
    /// <summary>What a broken rule counts beside the standard deviations: with that it is nearly always mended, but does not take all moves from a
    /// host that is in distress.</summary>
    private const double Mending = 0.04;

    /// <summary>More than all the unevenness there is.</summary>
    private const double MendingFirst = 1_000;

    private const double Price = 0.0001;

    // Wide first, because the first moves that rules ask for may lead into a corner; then near what was found. Very wide at last, for small
    // clusters, where every move is a big step and the best few may have none in common with what was found. A pass never loses what it began with.
    private static readonly double[] Heats = [0.03, 0.01, 0.003, 0.0007, 0.3, 0.1];

    private readonly ClusterState _state;
    private readonly Spread _spread;
    private readonly bool _isForLoad;
    private readonly int _most;
    private readonly double _pricePerGb;
    private List<PlannedMove> _best = [];
    private double _least = double.PositiveInfinity;

    /// <param name="most">So many machines may be moved.</param>
    public BudgetedMoves(ClusterState state, Spread spread, BalanceLevel level, int most)
    {
        (_state, _spread, _most, _isForLoad) = (state, spread, most, level.Number > BalanceLevel.RulesOnly);
        _pricePerGb = Price / state.Cluster.MeanHostGb;
    }

    /// <summary>How many machines these moves move.</summary>
    public static int Machines(Cluster units, IEnumerable<PlannedMove> moves) => moves.Sum(m => units.Machines[units.VmNumbers[m.Vm]]);

    /// <summary>Looks for better moves than are known.</summary>
    /// <param name="detours">What is moved first in any case; passed over where that is more than may be.</param>
    /// <param name="planned">What would be made after it if there was no limit.</param>
    public void Try(List<PlannedMove> detours, List<PlannedMove> planned)
    {
        var left = _most - Machines(_state.Cluster, detours);
        if (left < 0)
            return;
        var (home, machines) = (Home(detours), 0);
        List<PlannedMove> first = [.. planned.TakeWhile(m => (machines += _state.Cluster.Machines[_state.Cluster.VmNumbers[m.Vm]]) <= left)];
        Begin(home, first);
        Keep([.. detours, .. first]);
        if (!_isForLoad)
            return;
        AnnealFrom(first);
        Begin(home, []);
        var steepest = Steepest(Mending, left);
        Keep([.. detours, .. steepest]);
        AnnealFrom(steepest);

        // Freely at first, which finds more; where no order leads to what that found, among what breaks no more than is broken.
        void AnnealFrom(List<PlannedMove> moves)
        {
            foreach (var limit in (ReadOnlySpan<RuleChange>)[RuleChange.Any, _state.Cluster.Rules.Weigh(home)])
            {
                Begin(home, moves);
                Anneal(home, left, limit);
                var targets = _state.At.ToArray();
                Keep([.. detours, .. MoveOrder.From(home, _state, _spread)]);
                if (_state.At.AsSpan().SequenceEqual(targets))
                    break;
            }
        }
    }

    /// <summary>The best of what was tried, in their order; none where nothing is better than to stay.</summary>
    public List<PlannedMove> Best()
    {
        Begin(_state.Cluster.Start, []);
        Keep([]);
        if (_isForLoad)
            Keep(Steepest(MendingFirst, _most));
        return _best;
    }

    // Where the machines are after these moves.
    private int[] Home(List<PlannedMove> made)
    {
        var home = _state.Cluster.Start.ToArray();
        foreach (var move in made)
            home[_state.Cluster.VmNumbers[move.Vm]] = _state.Cluster.HostNumbers[move.To];
        return home;
    }

    private void Begin(int[] home, List<PlannedMove> moves)
    {
        _spread.Place(home);
        foreach (var move in moves)
            _spread.Move(_state.Cluster.VmNumbers[move.Vm], _state.Cluster.HostNumbers[move.To]);
    }

    /// <param name="made">The moves that led to where the machines are.</param>
    private void Keep(List<PlannedMove> made)
    {
        if (Cost(made) is var cost && cost < _least)
            (_best, _least) = (made, cost);
    }

    private double Cost(List<PlannedMove> made) =>
        _spread.CpuDeviation + _spread.MemDeviation + ((_isForLoad ? Mending : MendingFirst) * _state.Broken) + (_pricePerGb * made.Sum(m => m.Gb));

    private List<PlannedMove> Steepest(double mending, int most)
    {
        var moves = new List<PlannedMove>();
        new SteepestMoves(_state, _spread, mending, _pricePerGb).Run(most, (vm, to) => moves.Add(MoveReason.Move(_state, vm, to)));
        return moves;
    }

    private void Anneal(int[] home, int most, RuleChange mayBreak)
    {
        foreach (var heat in Heats)
        {
            var pace = new AnnealingPace(AnnealingPace.StepsFor(_state.Cluster), heat, SpreadMeasure.Deviations, Price, Mending, mayBreak);
            new Annealing(_state, _spread, home, most, pace).Run();
        }
    }
}
