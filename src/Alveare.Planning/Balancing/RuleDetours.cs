using Alveare.Planning.Clusters;
using Alveare.Planning.Rules;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Balancing;

/// <summary>Mends broken rules that no single move mends: other machines, which break nothing where they are, move out of the way first
/// (see <see cref="WayFinder"/>).</summary>
internal sealed class RuleDetours(ClusterState state, Spread spread)
{
    /// <summary>Moves that are looked at for all rules together: some ten milliseconds.</summary>
    private const int MostLooks = 200_000;

    private readonly List<(WayStep Step, (int Rule, WayStep Goal)? For)> _steps = [];

    /// <summary>Mends what single moves mend, and the rest by detours as far as there are any.</summary>
    /// <returns>All of these moves in their order, made; none where detours mend nothing, and then the machines are where they were.</returns>
    /// <param name="price">Spread that a GB is worth.</param>
    public List<PlannedMove> Run(double price)
    {
        var home = state.At.ToArray();
        var repair = new RuleRepair(state, spread, home);
        void Mend() => repair.Run(price, (vm, to) => _steps.Add((new(vm, to), null)));
        Mend();
        var ways = 0;
        for (; Made(); ways++)
            Mend();
        spread.Place(home);
        return ways == 0 ? [] : [.. _steps.Select(Told)];
    }

    /// <summary>Makes one detour, for the first rule that has one.</summary>
    private bool Made()
    {
        int[] broken = [.. Enumerable.Range(0, state.Cluster.Rules.Count).Where(r => state.Cluster.Rules.Broken(r, state.At) > 0)];
        foreach (var rule in broken)
        {
            if (new WayFinder(state, MostLooks / broken.Length, (_, _) => true).Find(Wanted(rule), (vm, to) => RuleRepair.MayMend(state, vm, to)) is not { } way)
                continue;
            for (var n = 0; n < way.Count; n++)
            {
                spread.Move(way[n].Vm, way[n].To);
                _steps.Add((way[n], n < way.Count - 1 ? (rule, way[^1]) : null));
            }

            return true;
        }

        return false;
    }

    private IEnumerable<WayStep> Wanted(int rule)
    {
        var rules = state.Cluster.Rules;
        // Each that a rule binds to others may be the one that moves.
        var movers = rules[rule].Kind == RuleKind.OnHosts ? rules.Breaking(rule, state.At) : rules.MembersOf(rule).ToArray().Where(vm => state.At[vm] >= 0);
        return movers.SelectMany(vm => Enumerable.Range(0, state.CpuLoad.Length)
            .Where(host => host != state.At[vm] && rules.Allows(rule, host))
            .Select(host => new WayStep(vm, host)));
    }

    private PlannedMove Told((WayStep Step, (int Rule, WayStep Goal)? For) told)
    {
        var (vm, to) = told.Step;
        var move = told.For is var (rule, goal)
            ? MoveReason.Move(state, vm, to, $"so that {state.Cluster.Vms[goal.Vm].Id} can go to {state.Cluster.Hosts[goal.To].Id}, {RuleText.Of(state.Cluster.Rules[rule])}") with
            {
                For = state.Cluster.Vms[goal.Vm].Id,
            }
            : MoveReason.Move(state, vm, to);
        spread.Move(vm, to);
        return move;
    }
}
