using Alveare.Core.Events;
using Alveare.Core.Statistics;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Hosts;

/// <summary>The engine's relation to one joined host: watches it as long as it answers, tries again when it does not, and keeps the
/// inventory in line with what it says.</summary>
internal sealed class HostSession : IAsyncDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);

    /// <summary>Of a host that is in standby and that nobody wakes: many may be.</summary>
    private static readonly TimeSpan LastRetryAsleep = TimeSpan.FromMinutes(1);

    private readonly EntityId _id;
    private readonly IHost _host;
    private readonly SiteView _view;
    private readonly EventLog _events;
    private readonly StatisticsHistory _statistics;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _end = new();
    private readonly CancellationToken _ended;
    private readonly Lock _gate = new();
    private readonly HostOffer _offer;
    private TaskCompletionSource _connected = NewSignal();
    private Fault? _problem;
    private bool _answers;
    private bool _isLost;
    private string? _said;
    private Task _run = Task.CompletedTask;

    public HostSession(EntityId id, IHost host, SiteView view, EventLog events, StatisticsHistory statistics, TimeProvider clock, ILogger logger)
    {
        (_id, _host, _view, _events, _statistics, _clock, _logger) = (id, host, view, events, statistics, clock, logger);
        _ended = _end.Token;
        _offer = new HostOffer(this, view, events, clock, _ended);
    }

    public EntityId Id => _id;

    public string Name => Known?.Name ?? _id.ToString();

    private Host? Known => _view.Current.Find(_id) as Host;

    public bool IsConnected
    {
        get
        {
            lock (_gate)
                return _connected.Task.IsCompleted;
        }
    }

    /// <summary>The host, or a <see cref="HostNotConnected"/> fault that says why it is not connected.</summary>
    public IHost Link
    {
        get
        {
            lock (_gate)
                return _answers ? _host : throw new FaultException(WhyNotConnected());
        }
    }

    public void Start() => _run = RunAsync();

    /// <summary>Ends when the host is connected and what it says is in the inventory.</summary>
    public Task ConnectedAsync(CancellationToken cancellation)
    {
        lock (_gate)
            return _connected.Task.OrCancelledAsync(cancellation);
    }

    /// <summary>Carries out a command; what it answers about a machine is in the inventory when this ends.</summary>
    public async Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        var asOf = _view.Claims.Now;
        var reply = await Link.ExecuteAsync(command, progress, cancellation);
        switch (reply, command)
        {
            case (MachineReply said, _):
                await TakeReplyAsync(said.Machine);
                break;
            case (IncomingFinished said, _):
                await TakeReplyAsync(said.Machine);
                break;
            case (_, UnregisterMachine gone):
                await TakeMachineAsync(gone.Machine, c => c.ReplyRemoved(_id, gone.Machine, asOf));
                break;
            case (_, DestroyMachine gone):
                await TakeMachineAsync(gone.Machine, c => c.ReplyRemoved(_id, gone.Machine, asOf));
                break;
            case (SendFinished, SendMachine gone):
                await TakeMachineAsync(gone.Machine, c => c.ReplyMovedAway(_id, gone.Machine, asOf));
                break;
        }

        return reply;
    }

    /// <summary>Asks the host for everything it knows and reconciles its machines.</summary>
    public async Task<HostSnapshot> RefreshAsync(CancellationToken cancellation)
    {
        var asOf = _view.Claims.Now;
        var snapshot = await Link.ObserveAsync(cancellation);
        HostReport.Check(_id, Name, new HostObserved(snapshot));
        // Of machines alone: an answer may be older than what the watch has said since, and only of machines do revisions tell. The watch says
        // everything else, once, so that what an old answer took back would stay so.
        if (_view.Claims.IsConnected(_id))
            await _view.ReconcileAsync(_id, null, WithBelieved(_view.Claims.Reply(_id, snapshot.Machines, asOf)));
        return snapshot;
    }

    /// <summary>Makes the host offer the datastores and port groups of its datacenter; answers what it refused.</summary>
    public Task<IReadOnlyList<Fault>> OfferAsync(CancellationToken cancellation) => _offer.ApplyAsync(cancellation);

    public async ValueTask DisposeAsync()
    {
        // Not CancelAsync: that goes over the thread pool.
        _end.Cancel();
        await _run;
        lock (_gate)
            _connected.TrySetException(new FaultException(WhyNotConnected()));
        _ = _connected.Task.Exception;
        await _host.DisposeAsync();
        _end.Dispose();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HostNotConnected WhyNotConnected() => _problem switch
    {
        HostNotConnected problem => problem with { HostName = Name },
        { } problem => new HostNotConnected(Name, problem.Message.TrimEnd('.')),
        null => new HostNotConnected(Name, "first contact is not made yet"),
    };

    private async Task RunAsync()
    {
        await Task.Yield();
        var wait = FirstRetry;
        while (!_ended.IsCancellationRequested)
        {
            var problem = await WatchAsync();
            if (_ended.IsCancellationRequested)
                break;
            wait = await LoseAsync(problem) ? FirstRetry : wait;
            await PauseAsync(wait);
            var longest = IsLeftAsleep ? LastRetryAsleep : LastRetry;
            wait = wait * 2 < longest ? wait * 2 : longest;
        }

        await LoseAsync(null);
    }

    /// <summary>Waits for so long; for longer than usual only as long as the host is left to sleep.</summary>
    private async Task PauseAsync(TimeSpan wait)
    {
        for (var left = wait; left > TimeSpan.Zero && !_ended.IsCancellationRequested && (left == wait || IsLeftAsleep); left -= LastRetry)
        {
            await Task.Delay(left < LastRetry ? left : LastRetry, _clock, _ended)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    /// <summary>Follows the host until it is lost; answers why.</summary>
    private async Task<Fault> WatchAsync()
    {
        try
        {
            await foreach (var change in _host.WatchAsync(_ended))
            {
                HostReport.Check(_id, Name, change);
                if (change is not HostObserved && !IsConnected)
                    return new HostAnswerInvalid(Name, "its report does not begin with everything it knows");
                await TakeAsync(change);
                _offer.Heard();
            }

            return new HostNotConnected(Name, "it ended its report");
        }
        catch (FaultException e)
        {
            return e.Fault;
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            return new HostNotConnected(Name, "the session ended");
        }
        catch (Exception e)
        {
            // A bug in here or in an edge: this host suffers, loudly, and is tried again.
            _logger.LogError(e, "The session of host {Host} broke.", Name);
            return new HostAnswerInvalid(Name, $"reading it failed: {e.Message}");
        }
    }

    private Task TakeAsync(HostChange change) => change switch
    {
        HostObserved observed => ConnectAsync(observed.Snapshot),
        FactsChanged facts => _view.ReconcileAsync(_id, h => Awake(h, facts.Facts, isContact: false) with { Facts = facts.Facts }, []),
        DatastoresChanged datastores => _view.ReconcileAsync(_id, h => h with { Datastores = datastores.Datastores }, []),
        HostEventRaised raised => RaiseAsync(raised),
        StatisticsSampled samples => SampleAsync(samples),
        MachineChanged changed => TakeMachineAsync(changed.Machine.Id, c => c.Watch(_id, changed.Machine)),
        MachineRemoved removed => TakeMachineAsync(removed.Machine, c => c.WatchRemoved(_id, removed.Machine)),
        _ => Task.CompletedTask,
    };

    private async Task ConnectAsync(HostSnapshot snapshot)
    {
        var (isContact, before) = (!IsConnected, Known);
        // Whoever sees in the inventory that it is connected may send it something.
        lock (_gate)
            _answers = true;
        await TakeSnapshotAsync(snapshot, isContact, _view.Claims.Watch(_id, snapshot.Machines));
        bool wasLost;
        lock (_gate)
        {
            if (_connected.Task.IsCompleted)
                return;
            (_problem, wasLost, _isLost, _said) = (null, _isLost, false, null);
            _connected.SetResult();
        }

        if (IsAsleep(before) && Known?.Standby == HostStandby.None)
            _events.Add(EventSeverity.Info, "host.woke", $"Host '{Name}' is out of standby.", _id);
        _events.Add(EventSeverity.Info, "host.connected", $"Host '{Name}' is connected{(wasLost ? " again" : "")}.", _id);
        _ = OfferUnwatchedAsync();
    }

    private List<EntityId> WithBelieved(IEnumerable<EntityId> spokenOf) =>
        [.. spokenOf.Union(_view.Current.MachinesOn(_id).Select(v => v.Id)).Order()];

    private Task TakeSnapshotAsync(HostSnapshot snapshot, bool isContact, IEnumerable<EntityId> spokenOf) =>
        _view.ReconcileAsync(
            _id,
            h => h.Connection == HostConnection.Disconnected ? h : Awake(h, snapshot.Facts, isContact) with
            {
                Connection = HostConnection.Connected,
                Problem = null,
                Facts = snapshot.Facts,
                Datastores = snapshot.Datastores,
                PortGroups = [.. snapshot.PortGroups.Select(p => p.Name).Order(StringComparer.Ordinal)],
            },
            WithBelieved(spokenOf));

    /// <summary>A host that answers anew is awake, whoever woke it, but not while it is still going down; nor is one that has given going down up.</summary>
    private static Host Awake(Host host, HostFacts said, bool isContact) =>
        IsAsleep(host) && !said.IsPoweringDown && (isContact || host.Facts?.IsPoweringDown == true)
            ? host with { Standby = HostStandby.None, FailedWakes = 0 }
            : host;

    private bool IsLeftAsleep => Known?.Standby == HostStandby.In;

    private static bool IsAsleep(Host? host) => host?.Standby is HostStandby.In or HostStandby.Exiting;

    // Reconciled even if a reply was quicker than the watch: its edit may have failed, and nobody says it again. And even if the watch was quicker than a
    // reply: its edit may still be on the way to the disk, and the caller is to see it.
    private Task TakeMachineAsync(EntityId machine, Action<MachineClaims> take)
    {
        take(_view.Claims);
        return _view.ReconcileAsync(_id, null, [machine]);
    }

    private Task TakeReplyAsync(HostMachine machine)
    {
        HostReport.Check(_id, Name, new MachineChanged(machine));
        return TakeMachineAsync(machine.Id, c => c.Reply(_id, machine));
    }

    private Task RaiseAsync(HostEventRaised raised)
    {
        _events.Add(raised.IsProblem ? EventSeverity.Error : EventSeverity.Info, raised.Kind, raised.Message, raised.Subject);
        return Task.CompletedTask;
    }

    private Task SampleAsync(StatisticsSampled samples)
    {
        // Of other hosts' machines it has nothing to say, and a sample of one that is not in the inventory any more would never be forgotten.
        _statistics.Add(samples with { Machines = samples.Machines.RemoveAll(s => _view.Current.Find(s.Machine) is not VirtualMachine vm || vm.Host != _id) });
        return Task.CompletedTask;
    }

    /// <summary>Notes that the host does not answer (or, without a problem, that the session ends); true when it did until now.</summary>
    private async Task<bool> LoseAsync(Fault? problem)
    {
        bool was;
        lock (_gate)
        {
            was = _connected.Task.IsCompleted;
            if (was)
                _connected = NewSignal();
            (_problem, _isLost, _answers) = (problem ?? _problem, _isLost || was, false);
        }

        _offer.Heard();
        _view.Claims.Drop(_id);
        var known = Known;
        var hasChanged = was || known?.Connection == HostConnection.Connecting || (known?.Problem != problem?.Message && !IsAsleep(known));
        if (known is null || !hasChanged)
            return was;
        try
        {
            await _view.ReconcileSurelyAsync(
                _id,
                h => problem is null ? h : Lost(h, problem),
                _view.Current.MachinesOn(_id).Select(v => v.Id));
        }
        catch (FaultException e)
        {
            _logger.LogError(e, "That host {Host} does not answer could not be noted.", Name);
        }

        if (problem is not null && (IsOfAnother(problem) || !IsAsleep(Known)))
            SayLost(problem, was);
        return was;
    }

    private static Host Lost(Host host, Fault problem) => host switch
    {
        { Connection: HostConnection.Disconnected } => host,
        _ when IsOfAnother(problem) => host with { Connection = HostConnection.Untrusted, Problem = problem.Message },
        _ when IsAsleep(host) => host with { Connection = HostConnection.Standby, Problem = null },
        _ => host with { Connection = HostConnection.NotResponding, Problem = problem.Message },
    };

    private static bool IsOfAnother(Fault problem) => problem is HostIdentityChanged;

    // Once until it answers again, however often the reason changes; but that somebody else answers is another matter.
    private void SayLost(Fault problem, bool was)
    {
        var isOfAnother = IsOfAnother(problem);
        string? kind = isOfAnother ? "host.identity-changed" : was ? "host.lost" : "host.not-responding";
        TaskCompletionSource? waited = null;
        lock (_gate)
        {
            if (isOfAnother)
                (waited, _connected) = (_connected, NewSignal());
            if (_said is not null && (!isOfAnother || _said == kind))
                kind = null;
            _said = kind ?? _said;
        }

        if (kind is not null)
        {
            _events.Add(
                isOfAnother ? EventSeverity.Error : EventSeverity.Warning,
                kind,
                $"{problem.Message.TrimEnd('.')}. What is known of the machines of host '{Name}' is old until it answers.",
                _id);
        }

        // It will not change by waiting.
        waited?.TrySetException(new FaultException(problem));
        _ = waited?.Task.Exception;
    }

    private async Task OfferUnwatchedAsync()
    {
        try
        {
            foreach (var fault in await OfferAsync(_ended))
                _events.Add(EventSeverity.Warning, "host.offer-refused", fault.Message, _id);
        }
        catch (Exception e) when (e is OperationCanceledException or FaultException)
        {
            // The host is gone again: it is offered everything at the next contact.
        }
        catch (Exception e)
        {
            _logger.LogError(e, "Offering datastores and port groups to host {Host} broke.", Name);
        }
    }
}
