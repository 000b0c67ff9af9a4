using System.Collections.Immutable;
using System.Globalization;
using Alveare.Planning.Clusters;

namespace Alveare.Planning.Balancing;

/// <summary>The machines of one host leaving it, one unit after the other (see <see cref="Evacuation"/>).</summary>
internal sealed class HostClearing
{
    /// <summary>Moves that are looked at for all units that find no host: some ten milliseconds.</summary>
    private const int MostLooks = 200_000;

    private readonly MoveUnits _units;
    private readonly ClusterState _state;
    private readonly int _left;
    private readonly bool[] _isToLeave;
    private readonly bool[] _mayHelp;

    // What stands still does not move live, and a host that has failed runs nothing that could.
    private readonly bool[] _isPaused;
    private readonly List<PlannedMove> _moves = [];

    public HostClearing(MoveUnits units, int left, bool hasFailed, Func<string, bool> mayHelp)
    {
        (_units, _left, _state) = (units, left, new ClusterState(units.Cluster));
        _isToLeave = [.. _state.At.Select(at => at == left)];
        _mayHelp = [.. _state.Cluster.Vms.Select(v => units.MembersOf(v.Id).All(vm => mayHelp(units.Whole.Vms[vm].Id)))];
        _isPaused = [.. _state.Cluster.Vms.Select(v => !hasFailed && units.MembersOf(v.Id).Any(vm => units.Whole.Vms[vm].IsPaused))];
        foreach (var unit in Waiting().Where(_ => hasFailed))
            _state.Move(unit, ClusterState.Nowhere);
    }

    public IReadOnlyList<PlannedMove> Moves => _moves;

    public void Run()
    {
        // Again as long as something moved: what had no room, or a rule in its way, may have it now. Whoever needs no help goes first.
        while (HasLeft(Leave) || HasLeft(unit => Leave(unit) || LeaveByHelp(unit)))
        {
        }
    }

    /// <summary>The machines that go nowhere.</summary>
    public ImmutableArray<StuckVm> Stuck() => [.. Waiting().SelectMany(Stuck)];

    private List<int> Waiting() =>
        [.. Enumerable.Range(0, _isToLeave.Length).Where(IsWaiting).OrderByDescending(u => _state.Cluster.Consumed[u]).ThenBy(u => u)];

    private bool IsWaiting(int unit) => _isToLeave[unit] && (_state.At[unit] == _left || _state.At[unit] == ClusterState.Nowhere);

    private bool HasLeft(Func<int, bool> leave)
    {
        var hasLeft = false;
        foreach (var unit in Waiting())
            hasLeft |= IsWaiting(unit) && leave(unit);
        return hasLeft;
    }

    private bool Leave(int unit)
    {
        var (best, least) = (-1, (Should: int.MaxValue, Load: double.PositiveInfinity));
        for (var host = 0; host < _state.CpuLoad.Length; host++)
        {
            if (!MayLeave(unit, host))
                continue;
            var cost = (_state.Cluster.Rules.Weigh(unit, host, _state.At).Should, _state.PlacedLoadWith(unit, host));
            if (cost.CompareTo(least) < 0)
                (best, least) = (host, cost);
        }

        if (best < 0)
            return false;
        Make(new(unit, best), $"{NameOf(best)} is the least loaded that may take it{WithOthers(unit)}");
        return true;
    }

    private bool LeaveByHelp(int unit)
    {
        var wanted = Enumerable.Range(0, _state.CpuLoad.Length).Where(host => host != _left).Select(host => new WayStep(unit, host));
        if (new WayFinder(_state, MostLooks / Waiting().Count, MayHelp).Find(wanted, MayLeave) is not { } way)
            return false;
        var goal = NameOf(way[^1].To);
        foreach (var step in way.SkipLast(1))
            Make(step, $"so that {IdOf(unit)} can go to {goal}, {NameOf(step.To)} takes it{WithOthers(step.Vm)}", IdOf(unit));
        Make(way[^1], $"{goal} takes it{WithOthers(unit)} now that others have made room");
        return true;
    }

    private bool MayLeave(int unit, int host) =>
        host != _left && !_isPaused[unit] && _state.HasRoom(unit, host) && _state.Cluster.Rules.Weigh(unit, host, _state.At).Must <= 0;

    // Those that have to leave anyway may do it for another's sake, but are not moved twice.
    private bool MayHelp(int unit, int host) => host != _left && !_isPaused[unit] && (_isToLeave[unit] ? _state.At[unit] == _left : _mayHelp[unit]);

    private void Make(WayStep step, string why, string? helped = null)
    {
        var (from, id) = (_state.At[step.Vm] < 0 ? _left : _state.At[step.Vm], IdOf(step.Vm));
        var reason = string.Create(CultureInfo.InvariantCulture, $"{why}: {100 * _state.PlacedLoadWith(step.Vm, step.To):0.0} % of its scarcer resource with it");
        _moves.AddRange(_units.MembersOf(id).Select(vm => new PlannedMove(_units.Whole.Vms[vm].Id, NameOf(from), NameOf(step.To), _units.Whole.Gb[vm], reason)
        {
            With = _units.Whole.Vms[vm].Id == id ? null : id,
            For = helped,
        }));
        _state.Move(step.Vm, step.To);
    }

    private IEnumerable<StuckVm> Stuck(int unit)
    {
        var group = _state.Cluster.Machines[unit] > 1 ? $", for it{WithOthers(unit)}" : "";
        ImmutableArray<HostReason> reasons =
        [
            .. Enumerable.Range(0, _state.CpuLoad.Length).Where(host => host != _left)
                .Select(host => new HostReason(NameOf(host), string.Join(", ", RefusalsOf(unit, host)) + group)),
        ];
        return _units.MembersOf(IdOf(unit)).Select(vm => new StuckVm(_units.Whole.Vms[vm].Id, reasons));
    }

    private IReadOnlyList<string> RefusalsOf(int unit, int host) => _isPaused[unit] ? ["it is paused, and only what runs moves"] : HostRefusals.OfForced(_state, unit, host);

    private string WithOthers(int unit) =>
        (_state.Cluster.Machines[unit] - 1) switch
        {
            0 => "",
            1 => " and the machine it is kept together with",
            var others => string.Create(CultureInfo.InvariantCulture, $" and the {others} machines it is kept together with"),
        };

    private string NameOf(int host) => _state.Cluster.Hosts[host].Id;

    private string IdOf(int unit) => _state.Cluster.Vms[unit].Id;
}
