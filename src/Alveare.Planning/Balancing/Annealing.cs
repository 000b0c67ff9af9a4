using Alveare.Planning.Clusters;
using Alveare.Planning.Rules;

namespace Alveare.Planning.Balancing;

/// <summary>Looks for the few moves that together even out most.</summary>
/// <remarks>With a small budget the best single moves are a poor set: two big machines may do what four of them do. Simulated annealing (Kirkpatrick
/// et al. 1983) over sets of at most so many machines away from home: one of them goes elsewhere, goes home for another, changes
/// places with another, or one more leaves home. The dice are the same in every run.</remarks>
internal sealed class Annealing(ClusterState state, Spread spread, int[] home, int most, AnnealingPace pace)
{
    private readonly List<int> _away = [];
    private readonly int[] _place = new int[home.Length];
    private readonly (int Vm, int From)[] _made = new (int, int)[2];
    private readonly double _pricePerGb = pace.Price / state.Cluster.MeanHostGb;
    private Dice _dice = new(0x9E3779B97F4A7C15UL);
    private int _count;

    // Machines away from home, which a unit counts for each of its own.
    private int _machines;
    private int _broken;

    // What is broken beyond what may be.
    private RuleChange _excess;
    private double _gb;

    /// <summary>Leaves the best placement it found, which may be the one it began with.</summary>
    public void Run()
    {
        Begin();
        var (now, best) = (Cost(), Cost());
        var found = state.At.ToArray();
        var (heat, cooling) = (pace.Hottest, Math.Pow(AnnealingPace.Cooling, 1.0 / pace.Steps));
        for (var step = 0; step < pace.Steps; step++, heat *= cooling)
        {
            _count = 0;
            var cost = Propose() && !_excess.IsWorse ? Cost() : double.PositiveInfinity;
            if (!IsAccepted(cost - now, heat))
            {
                TakeBack();
                continue;
            }

            now = cost;
            if (cost < best - Spread.LeastGain)
            {
                best = cost;
                state.At.CopyTo(found, 0);
            }
        }

        spread.Place(found);
    }

    private bool IsAccepted(double worse, double heat) => worse <= 0 || _dice.Share() < Math.Exp(-worse / heat);

    private double Cost() =>
        (pace.Measure == SpreadMeasure.Squares ? spread.Total : spread.CpuDeviation + spread.MemDeviation) + (_gb * _pricePerGb) + (_broken * pace.Mending)
        + (pace.Bounds?.Penalty(_gb, pace.BoundsWeight) ?? 0);

    private void Begin()
    {
        _away.Clear();
        (_gb, _broken, _machines, _excess) = (0, state.Broken, 0, state.Cluster.Rules.Weigh(state.At) - pace.MayBreak);
        for (var vm = 0; vm < home.Length; vm++)
        {
            _place[vm] = -1;
            if (state.At[vm] != home[vm])
            {
                _gb += state.Cluster.Gb[vm];
                _machines += state.Cluster.Machines[vm];
                _place[vm] = _away.Count;
                _away.Add(vm);
            }
        }
    }

    private bool Propose()
    {
        var what = _dice.Below(8);
        if (_away.Count == 0 || (_machines < most && what == 0))
            return Try(AnyAtHome(), AnyHost());
        var away = _away[_dice.Below(_away.Count)];
        if (what <= 2)
            return Try(away, AnyHost());
        if (what == 3)
        {
            var other = _away[_dice.Below(_away.Count)];
            var (here, there) = (state.At[away], state.At[other]);
            return Try(away, there) && Try(other, here);
        }

        if (what == 4 && state.Cluster.Rules.HasRules(away))
            return Try(away, home[away]) && TryPartner(away);
        return Try(away, home[away]) && Try(AnyAtHome(), AnyHost());
    }

    // A rule can be mended by another of its machines.
    private bool TryPartner(int vm)
    {
        var rules = state.Cluster.Rules.RulesOf(vm);
        var members = state.Cluster.Rules.MembersOf(rules[_dice.Below(rules.Length)]);
        var (one, other) = (members[_dice.Below(members.Length)], members[_dice.Below(members.Length)]);
        return one != vm && Try(one, _dice.Below(2) == 0 ? AnyHost() : state.At[other]);
    }

    private int AnyHost() => _dice.Below(state.CpuLoad.Length);

    private int AnyAtHome()
    {
        for (var tries = 0; tries < 8; tries++)
        {
            var vm = _dice.Below(home.Length);
            if (_place[vm] < 0)
                return vm;
        }

        return _dice.Below(home.Length);
    }

    private bool Try(int vm, int to)
    {
        var from = state.At[vm];
        if (from == to || !state.HasRoom(vm, to))
            return false;
        Move(vm, to);
        _made[_count++] = (vm, from);
        return _machines <= most;
    }

    private void TakeBack()
    {
        while (_count > 0)
        {
            var (vm, from) = _made[--_count];
            Move(vm, from);
        }
    }

    private void Move(int vm, int to)
    {
        if (state.Cluster.Rules.HasRules(vm))
        {
            _broken += state.Cluster.Rules.Change(vm, to, state.At);
            _excess += state.Cluster.Rules.Weigh(vm, to, state.At);
        }

        spread.Move(vm, to);
        if (to == home[vm] && _place[vm] >= 0)
            Remove(vm);
        else if (to != home[vm] && _place[vm] < 0)
        {
            _gb += state.Cluster.Gb[vm];
            _machines += state.Cluster.Machines[vm];
            _place[vm] = _away.Count;
            _away.Add(vm);
        }
    }

    private void Remove(int vm)
    {
        _gb -= state.Cluster.Gb[vm];
        _machines -= state.Cluster.Machines[vm];
        var last = _away[^1];
        _away[_place[vm]] = last;
        _place[last] = _place[vm];
        _place[vm] = -1;
        _away.RemoveAt(_away.Count - 1);
    }
}

/// <summary>How long annealing looks, and what counts.</summary>
/// <param name="Hottest">A worsening by so much is accepted about every third time at first.</param>
/// <param name="Price">What a mean host's memory sent over the network counts.</param>
/// <param name="Mending">What one broken rule counts.</param>
/// <param name="MayBreak">Placements that break more are not looked at, however even they are: there is no way to them, since no move may break a rule.</param>
internal sealed record AnnealingPace(int Steps, double Hottest, SpreadMeasure Measure, double Price, double Mending, RuleChange MayBreak)
{
    /// <summary>What a plan is held against; null for nothing.</summary>
    public GreedyBounds? Bounds { get; init; }

    /// <summary>What to be worse than those counts.</summary>
    public double BoundsWeight { get; init; }

    /// <summary>How much cooler the end is.</summary>
    public const double Cooling = 1.0 / 500;

    private const int MostSteps = 1_000_000;
    private const int StepsPerMove = 2_000;

    /// <summary>Fewer where there are few moves to try: a tiny cluster is searched through in no time.</summary>
    public static int StepsFor(Cluster cluster) => (int)Math.Min(MostSteps, (long)StepsPerMove * cluster.Vms.Length * cluster.Hosts.Length);
}

/// <summary>What stands for imbalance.</summary>
internal enum SpreadMeasure
{
    /// <summary><see cref="Spread.Total"/>, which weighs the furthest hosts most.</summary>
    Squares,

    /// <summary>The standard deviation of CPU plus that of memory.</summary>
    Deviations,
}
