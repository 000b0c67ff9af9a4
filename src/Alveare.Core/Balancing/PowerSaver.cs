using System.Collections.Immutable;
using Alveare.Core.Clusters;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Power;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Power;
using Cluster = Alveare.Model.Inventory.Cluster;

namespace Alveare.Core.Balancing;

/// <summary>Decides in a round of balancing which hosts sleep and which are woken, once that has been so for long enough, and has it done.</summary>
/// <remarks>What is decided is done by tasks that nobody waits for: a host takes minutes to come, and balancing goes on meanwhile. Hosts go to standby one
/// at a time, so that none is emptied onto the next.</remarks>
internal sealed class PowerSaver(MachineGround ground, LoadRecord loads, PowerPatience patience, EventLog events)
{
    /// <summary>The user in whose name hosts are put to standby and woken.</summary>
    public static readonly Session Hand = Session.System with { User = "power-saving" };

    /// <summary>A host that could not be put to standby is left on for so long, and twice as long after each further failure.</summary>
    private static readonly TimeSpan FirstRest = TimeSpan.FromHours(1);

    private static readonly TimeSpan LongestRest = TimeSpan.FromHours(24);

    /// <summary>So long an engine that has just started waits to hear of every host and machine before it goes by what it knows.</summary>
    private static readonly TimeSpan Hearing = TimeSpan.FromMinutes(5);

    private readonly long _began = ground.Clock.GetTimestamp();

    // Not stored: an engine that starts again tries such a host once more, and its fault says again why it stays on.
    private readonly Dictionary<EntityId, (long At, TimeSpan Pause)> _failed = [];
    private readonly Lock _gate = new();

    /// <summary>Whether hosts can be said not to be needed: right after a start of the engine nobody knows yet what runs.</summary>
    public bool IsJudging(ClusterReading reading) => reading.IsMeasured || ground.Clock.GetElapsedTime(_began) >= Hearing;

    /// <summary>What is due now: standbys, or wakes.</summary>
    public async Task<ImmutableArray<PowerDecision>> DecideAsync(ClusterReading reading)
    {
        var (now, cluster) = (ground.Now, reading.Cluster);
        if (reading.Snapshot.Hosts.Length > 0)
            await loads.NoteAsync(cluster.Id, reading.Snapshot.Vms.Sum(Planning.Clusters.Cluster.CpuOf), reading.Snapshot.Vms.Sum(Planning.Clusters.Cluster.MemOf));
        var settings = cluster.PowerSaving;
        var hosts = now.Children<Host>(cluster.Id).ToDictionary(h => h.Name, h => h.Id, StringComparer.Ordinal);
        var steps = settings.Mode == PowerSavingMode.Off
            ? []
            : PowerPlanner.Plan(PowerReading.Of(now, reading, loads.Of(cluster.Id), ground.Clock.GetUtcNow(), IsResting), PowerTerms.Of(settings, $"Cluster '{cluster.Name}'"));
        return [.. Due(cluster, steps, IsBetween(now, cluster) || !IsJudging(reading)).Select(s => new PowerDecision(s.Action, hosts[s.Host], s.Host, s.Reason))];
    }

    /// <summary>Begins what was decided, each as a task of its own; answers of each that task, or why it was not begun.</summary>
    public async Task<IReadOnlyList<MoveEnd>> BeginAsync(IEnumerable<PowerDecision> decisions, Session session)
    {
        var begun = new List<MoveEnd>();
        foreach (var decision in decisions)
        {
            try
            {
                var task = await ground.Tasks.SubmitAsync(session, decision.ToOperation(), decision.Reason);
                begun.Add(new(task));
                events.Add(EventSeverity.Info, "power.begins", $"{task.Id} {decision.Words}: {decision.Reason}.", decision.Host, session.User);
                _ = WatchAsync(task, decision);
            }
            catch (FaultException e)
            {
                begun.Add(new(null, e.Fault));
                events.Add(EventSeverity.Info, "power.skipped", $"Host '{decision.HostName}' stays as it is: {e.Message}", decision.Host, session.User);
            }
        }

        return begun;
    }

    // A host's machines are being moved, and are nowhere to be counted; or hosts take turns to be empty, and each of the others is needed.
    private bool IsBetween(InventorySnapshot now, Cluster cluster) =>
        now.Children<Host>(cluster.Id).Any(h => h.Standby is HostStandby.Entering or HostStandby.Exiting || h.Maintenance == HostMaintenance.Entering)
        || ground.Tasks.List().Any(t => !t.HasEnded && t.Target == cluster.Id && OperationCatalogue.Find(t.Operation)?.Type == typeof(RollingMaintenance));

    /// <param name="isUncertain">Whether hosts are needed cannot be said now: patience with that does not end, and is not enough.</param>
    private ImmutableArray<PowerStep> Due(Cluster cluster, ImmutableArray<PowerStep> steps, bool isUncertain)
    {
        var (id, settings) = (cluster.Id, cluster.PowerSaving);
        var wakes = steps.Any(s => s.Action == PowerAction.Wake);
        patience.See(id, PowerAction.Wake, wakes, settings.WakeAfter);
        if (wakes || !steps.IsEmpty || !isUncertain)
            patience.See(id, PowerAction.Standby, !wakes && !steps.IsEmpty, settings.StandbyAfter);
        if (!wakes)
            return isUncertain || !patience.IsEnough(id, PowerAction.Standby, settings.StandbyAfter) ? [] : settings.Mode == PowerSavingMode.Manual ? steps : steps[..Math.Min(1, steps.Length)];
        if (!patience.IsEnough(id, PowerAction.Wake, settings.WakeAfter))
            return [];
        // What is woken now has its time to take load before more are.
        if (settings.Mode == PowerSavingMode.Automatic)
            patience.See(id, PowerAction.Wake, isSo: false, settings.WakeAfter);
        return steps;
    }

    private bool IsResting(EntityId host)
    {
        lock (_gate)
            return _failed.TryGetValue(host, out var last) && ground.Clock.GetElapsedTime(last.At) < last.Pause;
    }

    /// <summary>What a host that did not wake was to carry is needed still, and patience with that has been had: the next round wakes another.</summary>
    private void NeedLasts(EntityId host)
    {
        if (ground.Now.ClusterOf(host) is { } cluster)
            patience.Fill(cluster.Id, PowerAction.Wake, cluster.PowerSaving.WakeAfter);
    }

    private async Task WatchAsync(TaskRecord task, PowerDecision decision)
    {
        var ended = await ground.Tasks.WaitAsync(task.Id, CancellationToken.None);
        if (decision.Action == PowerAction.Wake)
        {
            if (ended.State == TaskState.Failed)
                NeedLasts(decision.Host);
            return;
        }

        if (RestAfter(decision.Host, hasFailed: ended.State != TaskState.Succeeded) is { } rest)
            events.Add(EventSeverity.Warning, "power.backs-off", $"Host '{decision.HostName}' is left on for {rest.TotalMinutes:0} minutes: {ended.Fault?.Message ?? "its standby was cancelled."}", decision.Host);
    }

    /// <summary>For how long a host is left on after the end of its standby task; null when that succeeded, and failures count anew.</summary>
    private TimeSpan? RestAfter(EntityId host, bool hasFailed)
    {
        lock (_gate)
        {
            var rest = _failed.Remove(host, out var last) ? last.Pause * 2 : FirstRest;
            if (!hasFailed)
                return null;
            rest = rest < LongestRest ? rest : LongestRest;
            _failed[host] = (ground.Clock.GetTimestamp(), rest);
            return rest;
        }
    }
}

/// <summary>What becomes of a host of the site.</summary>
internal sealed record PowerDecision(PowerAction Action, EntityId Host, string HostName, string Reason)
{
    public string Words => Action == PowerAction.Wake ? $"wakes host '{HostName}'" : $"puts host '{HostName}' to standby";

    public Operation ToOperation() => Action == PowerAction.Wake ? new ExitStandby { Target = Host } : new EnterStandby { Target = Host, KeepsPreferences = true };

    public Recommendation ToDraft() => new()
    {
        Id = "",
        Kind = Action == PowerAction.Wake ? RecommendationKind.Wake : RecommendationKind.Standby,
        From = Action == PowerAction.Wake ? null : Host,
        FromName = Action == PowerAction.Wake ? null : HostName,
        To = Action == PowerAction.Wake ? Host : null,
        ToName = Action == PowerAction.Wake ? HostName : null,
        Reason = Reason,
        MadeAt = default,
    };

    public static PowerDecision Of(Recommendation made) => made.Kind == RecommendationKind.Wake
        ? new(PowerAction.Wake, made.To!.Value, made.ToName!, made.Reason)
        : new(PowerAction.Standby, made.From!.Value, made.FromName!, made.Reason);
}
