using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>Looks for the placement that is worth most at a price per GB moved.</summary>
/// <remarks>What is minimised is the spread plus price times GB away from home. The price starts where hardly a move is worth it and falls in
/// small steps to that of the level, or until the goal is reached; at every step each machine takes its best host, and its home costs
/// nothing, so that an early move which later ones made needless is taken back. This is a Lagrangian relaxation of "reach the goal
/// with the fewest GB" (Everett 1963) with coordinate descent inside. Where machines are few and big, small ones that gain much for their GB may leave a
/// big one alone on a host that is too small for it. Such clusters are looked at again with a toll on every move, whatever its size, that falls
/// instead of the price: then those that gain most go first; and a what-if by plain steepest moves as well. The best is kept. At the highest level what-ifs of such
/// clusters are at last held against plain greedy moves (<see cref="GreedyBounds"/>).</remarks>
internal sealed class PriceDescent(ClusterState state, Spread spread, int[] home, BalanceLevel level, bool isThorough)
{
    /// <summary>Above it annealing has too little time for each machine, and machines are so many that it and a second descent have little to find.</summary>
    private const int MostVmsOfPuzzle = 4_000;

    /// <summary>As many take a moment.</summary>
    private const int MostVmsOfQuickPuzzle = 400;

    /// <summary>A plan that is made every minute takes so many times fewer steps.</summary>
    private const int HasteInRounds = 8;

    // Wide first, so that a big machine may pass hosts that are full without it, then near what was found; what a move is worth is about the square of a machine's share of its host.
    private static readonly double[] AnnealingHeats = [100, 5];

    /// <summary>Of what greedy moves leave of spread and price; and what to be worse than they are counts: little at first, for there to be a way past what is worse.</summary>
    private static readonly (double Heat, double Weight)[] BoundedHeats = [(0.6, 1), (0.06, GreedyBounds.Weight)];

    /// <summary>A plan that costs so much of what one within the bounds of greedy moves does is made whatever they are, as is one that relieves a host that is asked
    /// for more than it has.</summary>
    private const double MuchBetter = 0.25;

    private const double Step = 0.85;
    private const double LeastGb = 1e-3;

    /// <summary>Of the level's price; below it the toll says nothing beside what a move's GB cost.</summary>
    private const double LeastToll = 0.01;
    private const int SweepsAtTheEnd = 30;
    private const int RoundsAtTheEnd = 20;

    private readonly RuleRepair _repair = new(state, spread, home);
    private readonly double _price = level.PriceIn(state.Cluster);
    private readonly double _goal = level.GoalIn(state.Cluster);
    private readonly double _start = spread.Total;
    private readonly double _perGb = level.PriceIn(state.Cluster) / state.Cluster.MeanHostGb;

    /// <summary>Whether no figure of a plan is to be worse than those of plain greedy moves: see <see cref="GreedyBounds"/>.</summary>
    public static bool IsHeldAgainstGreedy(Cluster cluster, BalanceLevel level, bool isThorough) =>
        isThorough && level.Number == BalanceLevel.Highest && cluster.Vms.Length <= MostVmsOfPuzzle;

    /// <summary>Whether there is anything to do at this level.</summary>
    public bool IsNeeded()
    {
        if (_repair.IsPossible())
            return true;
        if (level.Number == BalanceLevel.RulesOnly || IsBalanced())
            return false;
        for (var vm = 0; vm < home.Length; vm++)
        {
            if (Best(vm, _perGb, 0, isHeld: false) >= 0)
                return true;
        }

        return false;
    }

    public void Run()
    {
        Mend();
        if (level.Number == BalanceLevel.RulesOnly)
            return;
        var start = state.At.ToArray();
        for (var price = Highest(vm => Math.Max(state.Cluster.Gb[vm], LeastGb)); price > _perGb && !IsBalanced(); price *= Step)
            Sweep(price, 0);
        Exchange();
        if (IsPuzzle())
        {
            Try(start, () =>
            {
                for (var toll = Highest(_ => 1); toll > LeastToll * _price && !IsBalanced(); toll *= Step)
                    Sweep(_perGb, toll);
            });
            if (isThorough)
                Try(start, () => new SteepestMoves(state, spread, mending: 0, _perGb).Run(int.MaxValue));
            Anneal();
        }

        Settle(isHeld: false, null);
        if (IsHeldAgainstGreedy() && !IsBalanced())
            HoldAgainstGreedy();
    }

    /// <summary>Another way from the same start; what it finds is kept if it is better than what there is.</summary>
    private void Try(int[] start, Action descend)
    {
        var (found, cost) = (state.At.ToArray(), Cost());
        spread.Place(start);
        descend();
        Exchange();
        if (Cost().CompareTo(cost) >= 0)
            spread.Place(found);
    }

    /// <summary>Mends what single moves mend, and no more.</summary>
    /// <param name="moved">Told of every move just before it is made.</param>
    public void Mend(Action<int, int>? moved = null) => _repair.Run(_price / state.Cluster.MeanHostGb, moved);

    /// <summary>Makes the single moves that are worth their price, and no more; where plans are held against greedy moves, those that are worth it to these too.</summary>
    /// <param name="moved">Told of every move just before it is made.</param>
    public void Settle(Action<int, int>? moved = null) => Settle(IsHeldAgainstGreedy(), moved);

    private void Settle(bool isHeld, Action<int, int>? moved)
    {
        for (var sweep = 0; sweep < SweepsAtTheEnd && !IsBalanced() && Sweep(_perGb, 0, isHeld, moved) > 0; sweep++)
            spread.Recount();
    }

    /// <summary>Whether the machines are better where they are than at home.</summary>
    public bool IsWorthIt()
    {
        var rules = state.Cluster.Rules.Weigh(home);
        return Cost().CompareTo((rules.Must, rules.Should, _start - Spread.LeastGain)) < 0;
    }

    /// <summary>What is minimised, broken rules first.</summary>
    /// <param name="bounds">What the placement is held against beside it.</param>
    private (int Must, int Should, double Spread) Cost(GreedyBounds? bounds = null)
    {
        var (rules, gb) = (state.Cluster.Rules.Weigh(state.At), state.GbAwayFrom(home));
        return (rules.Must, rules.Should, spread.Total + (gb * _perGb) + (bounds?.Penalty(gb, GreedyBounds.Weight) ?? 0));
    }

    // Few big machines are a puzzle that single moves and exchanges do not solve well.
    private bool IsPuzzle() => home.Length <= (isThorough ? MostVmsOfPuzzle : MostVmsOfQuickPuzzle);

    private bool IsHeldAgainstGreedy() => IsHeldAgainstGreedy(state.Cluster, level, isThorough);

    private void Exchange()
    {
        var swaps = new SwapSearch(state, spread, home);
        var made = 1;
        for (var round = 0; round < RoundsAtTheEnd && made > 0 && !IsBalanced(); round++)
        {
            Settle(isHeld: false, null);
            made = IsBalanced() ? 0 : swaps.Run(_perGb, IsBalanced);
            spread.Recount();
        }
    }

    private void Anneal()
    {
        if (IsBalanced())
            return;
        var perHost = state.Cluster.VmsPerHost;
        foreach (var heat in AnnealingHeats)
            Anneal(heat * _price / (perHost * perHost));
    }

    private void Anneal(double hottest, GreedyBounds? bounds = null, double weight = 0)
    {
        var steps = AnnealingPace.StepsFor(state.Cluster) / (isThorough ? 1 : HasteInRounds);
        // A broken rule is dearer than all the unevenness there is.
        var pace = new AnnealingPace(steps, hottest, SpreadMeasure.Squares, _price, Mending: 1 + spread.Total, MayBreak: state.Cluster.Rules.Weigh(state.At))
        {
            Bounds = bounds,
            BoundsWeight = weight,
        };
        new Annealing(state, spread, home, int.MaxValue, pace).Run();
    }

    /// <summary>Where what was found is worse in a figure than plain greedy moves, looks from both for what is worse in none.</summary>
    private void HoldAgainstGreedy()
    {
        var found = state.At.ToArray();
        if (found.AsSpan().SequenceEqual(home))
            return;
        var bounds = GreedyBounds.Of(home, state, spread, _perGb);
        if (bounds is null || bounds.Penalty(state.GbAwayFrom(home), 1) == 0)
            return;
        var free = (Cost: Cost(), Overload: Overload());
        var (best, least) = (home, (int.MaxValue, int.MaxValue, double.PositiveInfinity));
        Consider(home);
        // Who may move nothing has nowhere to look.
        if (!bounds.End.AsSpan().SequenceEqual(home))
        {
            AnnealFrom(bounds.End);
            AnnealFrom(found);
            AnnealFrom(best);
        }

        spread.Place(best);
        var (must, should, bounded) = Cost();
        if (free.Overload < Overload() || free.Cost.CompareTo((must, should, MuchBetter * bounded)) < 0)
            spread.Place(found);

        void AnnealFrom(int[] placement)
        {
            spread.Place(placement);
            foreach (var (heat, weight) in BoundedHeats)
            {
                Anneal(heat * bounds.Cost, bounds, weight);
                // Moves that would still be worth their price are made by the next plan: they count in this one.
                new PriceDescent(state, spread, [.. state.At], level, isThorough).Settle();
                Consider(state.At);
            }
        }

        void Consider(int[] placement)
        {
            spread.Place(placement);
            if (Cost(bounds).CompareTo(least) < 0)
                (best, least) = ([.. placement], Cost(bounds));
        }
    }

    // Of the worst host: how much more it is asked for than it has.
    private double Overload() => Math.Max(0, Math.Max(state.CpuLoad.Max(), state.MemLoad.Max()) - 1);

    private bool IsBalanced() => spread.CpuDeviation <= _goal && spread.MemDeviation <= _goal;

    /// <summary>The most that a move gains for its size.</summary>
    private double Highest(Func<int, double> size)
    {
        var highest = 0.0;
        for (var vm = 0; vm < home.Length; vm++)
        {
            spread.Changes(vm);
            highest = Math.Max(highest, -spread.Least / size(vm));
        }

        return highest;
    }

    /// <param name="toll">What each move costs beside its GB.</param>
    /// <param name="isHeld">Whether only what is worth its move to plain greedy moves too is moved.</param>
    /// <returns>How many were moved.</returns>
    private int Sweep(double price, double toll, bool isHeld = false, Action<int, int>? moving = null)
    {
        var moved = 0;
        for (var vm = 0; vm < home.Length; vm++)
        {
            var host = Best(vm, price, toll, isHeld);
            if (host < 0)
                continue;
            moving?.Invoke(vm, host);
            spread.Move(vm, host);
            moved++;
            if (moved % 64 == 0 && IsBalanced())
                break;
        }

        return moved;
    }

    /// <summary>The best other host of a machine, or -1 where it is best where it is.</summary>
    private int Best(int vm, double price, double toll, bool isHeld)
    {
        var (from, cost) = (state.At[vm], (price * state.Cluster.Gb[vm]) + toll);
        var changes = spread.Changes(vm);
        var away = from == home[vm] ? cost : 0;
        if (from == home[vm] && spread.Least + cost >= -Spread.LeastGain)
            return -1;
        var (best, least) = (-1, -Spread.LeastGain);
        for (var host = 0; host < changes.Length; host++)
        {
            var change = changes[host] + away;
            if (change < least && host != from && (!isHeld || IsWorthItToGreedy(vm, host)) && state.MayMove(vm, host))
                (best, least) = (host, change);
        }

        var back = from == home[vm] ? 0 : changes[home[vm]] - cost;
        return back < least && (!isHeld || IsWorthItToGreedy(vm, home[vm])) && state.MayMove(vm, home[vm]) ? home[vm] : best;
    }

    private bool IsWorthItToGreedy(int vm, int host)
    {
        var gb = (state.At[vm] == home[vm] ? 1 : host == home[vm] ? -1 : 0) * state.Cluster.Gb[vm];
        return spread.DeviationsChange(vm, host) + (GreedyBounds.PriceOfHost * gb / state.Cluster.MeanHostGb) < -Spread.LeastGain;
    }
}
