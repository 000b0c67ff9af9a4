using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Clusters;

/// <summary>A move of a machine to a host, by their numbers.</summary>
public readonly record struct WayStep(int Vm, int To);

/// <summary>Finds how a machine can come to a host that does not take it as things are: others move first, which make room for it, or leave the host or
/// come to it because a rule binds them to the machine.</summary>
/// <remarks>Every way is tried (depth first, one more machine at a time), so that as few others as possible move; of as few those whose memory is least to
/// send, and of these to hosts that are least loaded with them. Each move by itself finds room and keeps the rules, in the order in which they are
/// made. Large clusters have more ways than there is time for: after <paramref name="mostLooks"/> no more are tried, the same ones each time.</remarks>
/// <param name="mayHelp">Whether a machine may be moved to a host for another's sake; room and rules are asked besides.</param>
public sealed class WayFinder(ClusterState state, int mostLooks, Func<int, int, bool> mayHelp)
{
    /// <summary>So many others move for one machine.</summary>
    public const int MostHelpers = 3;

    private readonly List<WayStep> _steps = [];
    private List<int>[] _on = [];
    private (double Gb, double Load) _cost;
    private (double Gb, double Load) _least;
    private List<WayStep>? _best;
    private int _looks;

    /// <summary>The moves in their order, of which the last is the one that was asked for; null when no few moves clear the way. Where the machines
    /// are stays as it is.</summary>
    /// <param name="wanted">Moves of which any will do.</param>
    /// <param name="may">Whether a wanted move may be made with others where they are then.</param>
    public IReadOnlyList<WayStep>? Find(IEnumerable<WayStep> wanted, Func<int, int, bool> may)
    {
        WayStep[] possible = [.. wanted.Where(w => state.Cluster.CanRun(w.Vm, w.To))];
        (_best, _looks, _least) = (null, mostLooks, (double.PositiveInfinity, double.PositiveInfinity));
        _on = [.. state.CpuLoad.Select(_ => new List<int>())];
        for (var vm = 0; vm < state.At.Length; vm++)
        {
            if (state.At[vm] >= 0)
                _on[state.At[vm]].Add(vm);
        }

        for (var helpers = 1; helpers <= MostHelpers && _best is null && _looks > 0; helpers++)
        {
            foreach (var step in possible)
                Reach(step, helpers, may, _ => Keep());
        }

        return _best;
    }

    /// <param name="left">So many others may still move.</param>
    /// <param name="then">What follows once the machine is there, with how many others may move then.</param>
    private void Reach(WayStep step, int left, Func<int, int, bool> may, Action<int> then)
    {
        if (--_looks < 0 || state.At[step.Vm] == step.To || _cost.Gb + state.Cluster.Gb[step.Vm] > _least.Gb)
            return;
        if (may(step.Vm, step.To))
        {
            Make(step, () => then(left));
            return;
        }

        if (left == 0)
            return;
        foreach (var helper in Helpers(step, left).Where(h => mayHelp(h.Vm, h.To)))
            Reach(helper, left - 1, state.MayMove, rest => Reach(step, rest, may, then));
    }

    private void Make(WayStep step, Action then)
    {
        var (from, before) = (state.At[step.Vm], _cost);
        _cost = (_cost.Gb + state.Cluster.Gb[step.Vm], Math.Max(_cost.Load, state.LoadWith(step.Vm, step.To)));
        _steps.Add(step);
        state.Move(step.Vm, step.To);
        then();
        state.Move(step.Vm, from);
        _steps.RemoveAt(_steps.Count - 1);
        _cost = before;
    }

    private void Keep()
    {
        if (_cost.CompareTo(_least) < 0)
            (_best, _least) = ([.. _steps], _cost);
    }

    // Who stands in the way leaves, to wherever it may, and so does who would be left behind; who must come along comes first. Who breaks a rule elsewhere
    // may come to where the machine is, so that it is mended by the machine's going.
    private IEnumerable<WayStep> Helpers(WayStep step, int left)
    {
        if (!state.HasRoom(step.Vm, step.To))
            return InTheWay(step, left);
        var fellows = Fellows(step).ToList();
        // Once one has come along who leaves no room, those in the way may be bound to it.
        var lacksRoom = left > 1 && fellows.Exists(other => state.At[other] != step.To && !state.HasRoomForBoth(step.Vm, other, step.To));
        return fellows
            .SelectMany(other => state.At[other] == step.To || state.At[other] == state.At[step.Vm] ? Elsewhere(other) : [new(other, step.To)])
            .Concat(Breaking(step.Vm).Select(other => new WayStep(other, state.At[step.Vm])))
            .Concat(lacksRoom ? InTheWay(step, left) : []);
    }

    private IEnumerable<WayStep> InTheWay(WayStep step, int left) =>
        _on[step.To].Where(other => state.At[other] == step.To && (left > 1 || state.HasRoom(step.Vm, step.To, other))).SelectMany(Elsewhere);

    private IEnumerable<WayStep> Elsewhere(int vm)
    {
        for (var host = 0; host < state.CpuLoad.Length; host++)
        {
            if (host != state.At[vm] && state.Cluster.CanRun(vm, host))
                yield return new(vm, host);
        }
    }

    // Those that share a rule with the machine and are not where the rule wants them once it has come.
    private IEnumerable<int> Fellows(WayStep step)
    {
        var rules = state.Cluster.Rules;
        return Ties(step.Vm)
            .SelectMany(rule => rules.MembersOf(rule).ToArray()
                .Where(other => other != step.Vm && state.At[other] >= 0 && (state.At[other] == step.To) == (rules[rule].Kind == RuleKind.Apart)))
            .Distinct();
    }

    // Those that break elsewhere a rule which they share with the machine.
    private IEnumerable<int> Breaking(int vm) => state.At[vm] < 0
        ? []
        : Ties(vm).SelectMany(rule => state.Cluster.Rules.Breaking(rule, state.At)).Where(other => state.At[other] != state.At[vm]).Distinct();

    // The rules that bind the machine to others.
    private IEnumerable<int> Ties(int vm) => state.Cluster.Rules.RulesOf(vm).ToArray().Where(rule => state.Cluster.Rules[rule].Kind != RuleKind.OnHosts);
}
