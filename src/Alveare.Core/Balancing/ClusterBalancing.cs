using Alveare.Core.Clusters;
using Alveare.Core.Events;
using Alveare.Core.Machines;
using Alveare.Core.Migration;
using Alveare.Core.Power;
using Alveare.Core.Security;
using Alveare.Core.Store;
using Alveare.Core.Tasks;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Planning.Power;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Balancing;

/// <summary>Balances the site's clusters, each in its own interval: reads, plans, and moves machines or recommends it.</summary>
/// <remarks>Of it only who rests and what is recommended is stored: all else the next round after a restart sees by itself. A cluster's rounds are planned one after the other, and none waits for the moves of
/// another: a migration may take hours, or hang.</remarks>
public sealed class ClusterBalancing
{
    /// <summary>The user in whose name balancing moves machines.</summary>
    public static readonly Session Hand = Session.System with { User = "balancing" };

    /// <summary>A cluster is new, or its interval is another, for at most so long before it is seen.</summary>
    private static readonly TimeSpan LongestSleep = BalanceSettings.MinInterval;

    private static readonly TimeSpan ShortestSleep = TimeSpan.FromMilliseconds(200);

    /// <summary>A move that has not begun after so long, or after the cluster's interval if that is longer, is planned anew.</summary>
    private static readonly TimeSpan PlanGoodFor = TimeSpan.FromMinutes(5);

    private readonly MachineGround _ground;
    private readonly MigrationCosts _costs;
    private readonly EventLog _events;
    private readonly ILogger _logger;
    private readonly MoveHistory _history;
    private readonly MoveRunner _runner;
    private readonly RecommendationBook _book;
    private readonly PowerPatience _patience;
    private readonly PowerSaver _power;
    private readonly SlotBudget _turns = new(1);
    private readonly Dictionary<EntityId, long> _lastTurns = [];
    private readonly Dictionary<EntityId, Task> _rounds = [];

    internal ClusterBalancing(MachineGround ground, IStore store, LoadRecord loads, MigrationCosts costs, EventLog events, ILogger logger)
    {
        (_ground, _costs, _events, _logger) = (ground, costs, events, logger);
        _history = new MoveHistory(store, ground.Clock);
        _runner = new MoveRunner(ground, _history, events);
        _book = new RecommendationBook(store, ground.Clock);
        _patience = new PowerPatience(store, ground.Clock);
        _power = new PowerSaver(ground, loads, _patience, events);
    }

    /// <summary>Reads what is stored. Call once.</summary>
    internal void Load()
    {
        _history.Load();
        _book.Load();
        _patience.Load();
    }

    /// <summary>What the cluster's last round recommends, in the order in which it is to be done.</summary>
    public IReadOnlyList<Recommendation> RecommendationsOf(EntityId cluster) => _book.Of(_ground.Now.Get<Cluster>(cluster).Id);

    /// <summary>The cluster as planning sees it now: machines that are being moved, or are to be, count where they will be.</summary>
    public ClusterReading Read(EntityId cluster)
    {
        var targets = _runner.Targets();
        var now = _ground.Now;
        var reading = ClusterReading.Of(now, now.Get<Cluster>(cluster), _ground.Statistics, targets);
        var onTheirWay = reading.Vms.Where(v => targets.ContainsKey(v.Value) && !reading.Stays.ContainsKey(v.Key));
        return reading with { Stays = reading.Stays.AddRange(onTheirWay.Select(v => KeyValuePair.Create(v.Key, "it is on its way to another host"))) };
    }

    /// <summary>Balances until the engine ends.</summary>
    internal async Task RunAsync(CancellationToken end)
    {
        while (!end.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(UntilNextTurn(), _ground.Clock, end);
                foreach (var cluster in DueClusters())
                    _rounds[cluster.Id] = TurnAsync(cluster.Id, end);
            }
            catch (OperationCanceledException) when (end.IsCancellationRequested)
            {
                break;
            }
        }

        await Task.WhenAll(_rounds.Values);
    }

    /// <summary>One round of a cluster now; answers how its moves ended.</summary>
    internal async Task<IReadOnlyList<MoveEnd>> BalanceAsync(EntityId id, TaskContext context) => await await BeginRoundAsync(id, context, context.Cancellation);

    /// <summary>One round of a cluster now; answers, once the cluster may have its next turn, how the moves end.</summary>
    /// <param name="within">The task that asked for the round; null for the loop.</param>
    private async Task<Task<IReadOnlyList<MoveEnd>>> BeginRoundAsync(EntityId id, TaskContext? within, CancellationToken cancellation)
    {
        using var turn = await _turns.TakeAsync([id], cancellation);
        var cluster = _ground.Now.Get<Cluster>(id);
        var reading = Read(id);
        var plan = Plan(reading);
        var power = await _power.DecideAsync(reading);
        var isAutomatic = cluster.PowerSaving.Mode == PowerSavingMode.Automatic;
        Announce(cluster, _book.Replace(
            id, [.. plan.Recommended.Select(m => m.ToDraft()), .. isAutomatic ? [] : power.Select(p => p.ToDraft())], made => IsUnjudged(reading, made)));
        if (isAutomatic)
            await _power.BeginAsync(power, PowerSaver.Hand);
        // A host that goes to standby is emptied by that.
        var leaving = power.Where(p => isAutomatic && p.Action == PowerAction.Standby).Select(p => p.Host).ToHashSet();
        var moves = plan.Automatic.Where(m => !leaving.Contains(m.From) && !leaving.Contains(m.To)).ToList();
        if (moves.Count > 0)
            _events.Add(EventSeverity.Info, "balance.begins", $"Cluster '{cluster.Name}' is balanced by {Moves(moves.Count)}.", id);
        return _runner.RunAsync(id, moves, new(Hand, GoodFor(cluster), within, cancellation));
    }

    /// <summary>Does what is recommended in the name of a task's user; answers how it ended. What was not begun, or was cancelled, and still could be done is recommended on.</summary>
    internal async Task<IReadOnlyList<MoveEnd>> ApplyAsync(EntityId id, IReadOnlyCollection<string>? ids, TaskContext context)
    {
        var (moves, hosts, moving) = await BeginApplyingAsync(id, ids, context);
        var ended = new List<MoveEnd>(await moving);
        IReadOnlyList<MoveEnd> begun = context.Cancellation.IsCancellationRequested
            ? [.. hosts.Select(_ => MoveEnd.CalledOff)]
            : await _power.BeginAsync(hosts.Select(PowerDecision.Of), context.Session);
        _book.PutBack(id, [.. moves.Where((m, n) => ended[n].IsOpen && CanBeDone(m)), .. hosts.Where((h, n) => begun[n].IsOpen && CanBeDone(h))]);
        foreach (var one in begun)
            ended.Add(one.Task is { } task ? new(await _ground.Tasks.WaitWithinAsync(task, context)) : one);
        return ended;
    }

    private async Task<(List<Recommendation> Moves, List<Recommendation> Hosts, Task<IReadOnlyList<MoveEnd>> Moving)> BeginApplyingAsync(
        EntityId id, IReadOnlyCollection<string>? ids, TaskContext context)
    {
        using var turn = await _turns.TakeAsync([id], context.Cancellation);
        var taken = _book.Take(id, ids);
        var moves = taken.Where(r => r.Kind == RecommendationKind.Move).ToList();
        var mandate = new MoveMandate(context.Session, Timeout.InfiniteTimeSpan, context, context.Cancellation);
        return (moves, [.. taken.Except(moves)], _runner.RunAsync(id, [.. moves.Select(ClusterMove.Of)], mandate));
    }

    /// <summary>Of what a recommendation speaks of nothing is known at present, as after a start of the engine: it is neither confirmed nor withdrawn, as long as it can be
    /// done.</summary>
    private bool IsUnjudged(ClusterReading reading, Recommendation made)
    {
        if (made.Kind != RecommendationKind.Move)
            return reading.Cluster.PowerSaving.Mode == PowerSavingMode.Manual && !_power.IsJudging(reading) && CanBeDone(made);
        if (made is not { Vm: { } id, To: { } to } || _ground.Now.Find(id) is not VirtualMachine { MayRun: true } vm || vm.Host != made.From)
            return false;
        var isThere = _ground.Now.Find(to) is Host
        {
            Maintenance: HostMaintenance.None, Standby: HostStandby.None, Connection: HostConnection.Connected or HostConnection.Connecting,
        };
        var isKnown = reading.Vms.FirstOrDefault(v => v.Value == vm.Id).Key is { } name && !reading.Stays.ContainsKey(name) && reading.Hosts.ContainsValue(to);
        return isThere && !isKnown;
    }

    private bool CanBeDone(Recommendation made) => made.Kind switch
    {
        RecommendationKind.Move => _ground.Now.Find(made.Vm!.Value) is VirtualMachine vm && vm.Host == made.From,
        RecommendationKind.Wake => _ground.Now.Find(made.To!.Value) is Host { Standby: HostStandby.In },
        _ => _ground.Now.Find(made.From!.Value) is Host { Standby: HostStandby.None, Maintenance: HostMaintenance.None },
    };

    private void Announce(Cluster cluster, IReadOnlyList<Recommendation> news)
    {
        var moves = news.Count(r => r.Kind == RecommendationKind.Move);
        if (moves > 0)
        {
            moves = _book.Of(cluster.Id).Count(r => r.Kind == RecommendationKind.Move);
            _events.Add(
                EventSeverity.Info, "balance.recommends", $"Cluster '{cluster.Name}' would be balanced better by {Moves(moves)}, which wait to be applied.", cluster.Id);
        }

        foreach (var made in news.Where(r => r.Kind != RecommendationKind.Move))
            _events.Add(EventSeverity.Info, "power.recommends", $"Cluster '{cluster.Name}': a task that {PowerDecision.Of(made).Words} waits to be applied: {made.Reason}.", cluster.Id);
    }

    private static string Moves(int count) => count == 1 ? "one move" : $"{count} moves";

    private static TimeSpan GoodFor(Cluster cluster) => cluster.Balancing.Interval > PlanGoodFor ? cluster.Balancing.Interval : PlanGoodFor;

    private RoundPlan Plan(ClusterReading reading)
    {
        var now = _ground.Now;
        _history.See([.. now.OfType<VirtualMachine>()]);
        _costs.ForgetMachines(vm => now.Find(vm) is null);
        var resting = new Dictionary<EntityId, string>();
        foreach (var vm in reading.Vms.Values)
        {
            if (_history.WhyResting(vm) is { } why)
                resting[vm] = why;
        }

        return RoundPlanner.Plan(reading, _costs.TermsFor(reading.Clock, reading.SteadySeconds, reading.Hosts, reading.Vms), resting);
    }

    private List<Cluster> DueClusters()
    {
        var clusters = _ground.Now.OfType<Cluster>().OrderBy(c => c.Id).ToList();
        foreach (var gone in _lastTurns.Keys.Except(clusters.Select(c => c.Id)).ToList())
        {
            _lastTurns.Remove(gone);
            _rounds.Remove(gone);
            _book.Forget(gone);
            _patience.Forget(gone);
        }

        return [.. clusters.Where(IsDue)];
    }

    private bool IsDue(Cluster cluster)
    {
        if (_lastTurns.TryAdd(cluster.Id, _ground.Clock.TimestampBefore(cluster.Balancing.Interval * Phase(_lastTurns.Count))))
            return false;
        if (_ground.Clock.GetElapsedTime(_lastTurns[cluster.Id]) < cluster.Balancing.Interval || _rounds.GetValueOrDefault(cluster.Id) is { IsCompleted: false })
            return false;
        _lastTurns[cluster.Id] = _ground.Clock.GetTimestamp();
        return true;
    }

    // Clusters that are found together, at a start, take their turns at moments that are spread over the interval, not all at once: the multiples of
    // the golden ratio lie apart however many there are.
    private static double Phase(int number) => number * 0.6180339887498949 % 1;

    private TimeSpan UntilNextTurn()
    {
        var sleep = LongestSleep;
        foreach (var (id, last) in _lastTurns)
        {
            var isRunning = _rounds.GetValueOrDefault(id) is { IsCompleted: false };
            if (!isRunning && _ground.Now.Find(id) is Cluster cluster && cluster.Balancing.Interval - _ground.Clock.GetElapsedTime(last) is var left && left < sleep)
                sleep = left;
        }

        return sleep < ShortestSleep ? ShortestSleep : sleep;
    }

    /// <summary>A cluster's turn in the loop, which is over before its moves are.</summary>
    private Task TurnAsync(EntityId cluster, CancellationToken end)
    {
        return LoggedAsync(cluster, RoundAsync(), end);

        async Task RoundAsync()
        {
            var moves = await BeginRoundAsync(cluster, null, end);
            _ = LoggedAsync(cluster, moves, end);
        }
    }

    private async Task LoggedAsync(EntityId cluster, Task work, CancellationToken end)
    {
        try
        {
            await work;
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The engine ends.
        }
        catch (FaultException e)
        {
            _logger.LogInformation("Cluster {Cluster} is balanced in its next turn: {Reason}", cluster, e.Fault.Message);
        }
        catch (Exception e)
        {
            _logger.LogError(e, "Balancing cluster {Cluster} broke.", cluster);
        }
    }
}
