using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Statistics;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Hosts;

/// <summary>One session per joined host: the way of every command to its host, and of what hosts say into the inventory.</summary>
public sealed class HostSessions : IAsyncDisposable
{
    /// <summary>How long <see cref="ExecuteUntilKnownAsync"/> waits for a host whose answer was lost.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(500);

    private readonly IHostConnector _connector;
    private readonly EventLog _events;
    private readonly StatisticsHistory _statistics;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly SiteView _view;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<EntityId, HostSession> _sessions = [];

    public HostSessions(
        IHostConnector connector, InventoryWriter inventory, EventLog events, StatisticsHistory statistics, DestroyedMachines destroyed, TimeProvider clock, ILogger logger)
    {
        (_connector, _events, _statistics, _clock, _logger) = (connector, events, statistics, clock, logger);
        var claims = new MachineClaims();
        var doubles = new DoubleRuns(claims, inventory, events, clock, host => RefreshAsync(host, CancellationToken.None));
        _view = new SiteView(inventory, claims, destroyed, doubles, events, logger);
    }

    /// <summary>Begins the session of a joined host; nothing when it has one.</summary>
    public void Start(EntityId host)
    {
        lock (_gate)
        {
            if (_sessions.ContainsKey(host))
                return;
            var session = new HostSession(host, Connect(_view.Current.Get<Host>(host)), _view, _events, _statistics, _clock, _logger);
            _sessions.Add(host, session);
            session.Start();
        }
    }

    /// <summary>Ends the session of a host; what is known of its machines is old from then on. Nothing when it has none.</summary>
    public async Task StopAsync(EntityId host)
    {
        HostSession? session;
        lock (_gate)
            _sessions.Remove(host, out session);
        if (session is not null)
            await session.DisposeAsync();
    }

    public bool IsConnected(EntityId host) => Find(host)?.IsConnected ?? false;

    /// <summary>Ends when the host is connected and the inventory says what it says.</summary>
    public Task ConnectedAsync(EntityId host, CancellationToken cancellation) => Get(host).ConnectedAsync(cancellation);

    /// <summary>Tells a host to do something; what it answers about a machine is in the inventory when this ends. Faults: those of the
    /// command, and <see cref="HostNotConnected"/>, after which it may have been done all the same unless there was no connection before.</summary>
    public Task<HostReply> ExecuteAsync(EntityId host, HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation) =>
        Get(host).ExecuteAsync(command, progress, cancellation);

    /// <summary>As <see cref="ExecuteAsync"/>, but when the answer is lost, waits for the host to come back and finds out.</summary>
    /// <param name="outcome">Reads off what the host says afterwards whether the command was done: its reply, or null when it was not. It is
    /// then sent again, which has no second effect.</param>
    /// <remarks>Faults: as <see cref="ExecuteAsync"/> (a <see cref="HostNotConnected"/> means that nothing was sent), and
    /// <see cref="Interrupted"/> when the host has not come back after <see cref="Patience"/>.</remarks>
    public async Task<HostReply> ExecuteUntilKnownAsync(
        EntityId host, HostCommand command, Func<HostSnapshot, HostReply?> outcome, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        var session = Get(host);
        _ = session.Link;
        var began = _clock.GetTimestamp();
        var wasLost = false;
        while (true)
        {
            try
            {
                // The host may have been disconnected and reconnected meanwhile: the session of before answers no more.
                return await Get(host).ExecuteAsync(command, progress, cancellation);
            }
            catch (FaultException e) when (e.Fault is HostNotConnected)
            {
                wasLost = true;
                if (outcome(await ObserveAgainAsync(host, $"{command.GetType().Name} on host '{session.Name}'", began, cancellation)) is { } reply)
                    return reply;
            }
            catch (FaultException) when (wasLost)
            {
                // The first sending may have worked, and the second one been refused for it.
                if (outcome(await RefreshAsync(host, cancellation)) is { } reply)
                    return reply;
                throw;
            }
        }
    }

    /// <summary>Asks a host for everything it knows and brings the inventory in line with it.</summary>
    public Task<HostSnapshot> RefreshAsync(EntityId host, CancellationToken cancellation) => Get(host).RefreshAsync(cancellation);

    /// <summary>As <see cref="RefreshAsync"/>, waiting for a host that is away. <see cref="Interrupted"/> fault when it does not come back in time.</summary>
    public Task<HostSnapshot> ObserveUntilKnownAsync(EntityId host, string what, CancellationToken cancellation) =>
        ObserveAgainAsync(host, what, _clock.GetTimestamp(), cancellation);

    /// <summary>Opens a console or log of a machine as a byte stream.</summary>
    public Task<Stream> OpenAsync(EntityId host, HostChannel channel, CancellationToken cancellation) => Get(host).Link.OpenAsync(channel, cancellation);

    /// <summary>A task makes this machine and puts it into the inventory itself, or destroys it and takes it out: until the answer is disposed,
    /// a host that reports it has not found a machine that nobody knew, and one that does not has not lost it.</summary>
    public IDisposable Expect(EntityId machine) => _view.Expect(machine);

    /// <summary>Makes a connected host offer the datastores and port groups of its datacenter, until its record says that it does; answers what it
    /// refused, or took without reporting it. Hosts that are away are offered everything when they come back.</summary>
    public async Task<IReadOnlyList<Fault>> OfferAsync(EntityId host, CancellationToken cancellation)
    {
        try
        {
            return IsConnected(host) ? await Get(host).OfferAsync(cancellation) : [];
        }
        catch (FaultException e) when (e.Fault is HostNotConnected)
        {
            return [];
        }
    }

    /// <summary>As <see cref="OfferAsync"/>, on all hosts of a datacenter at once.</summary>
    public async Task<IReadOnlyList<OfferRefusal>> OfferEverywhereAsync(InventorySnapshot inventory, EntityId datacenter, CancellationToken cancellation)
    {
        var answers = await Task.WhenAll(inventory.HostsOf(datacenter).Select(async host =>
            (await OfferAsync(host.Id, cancellation)).Select(fault => new OfferRefusal(host.Id, fault))));
        return [.. answers.SelectMany(a => a)];
    }

    /// <summary>Brings the inventory in line with what hosts say of machines that were taken out of it: others may have them.</summary>
    internal Task ReconcileAsync(IEnumerable<EntityId> machines) => _view.ReconcileAsync(machines);

    /// <summary>A task registers these files (or, with false, has done so): the host that reports the machine has not found it.</summary>
    internal void Registering(DatastorePath config, bool isSo = true) => _view.Registering(config, isSo);

    /// <summary>These files of a machine are registered, and wanted even when they were destroyed once.</summary>
    internal Task WelcomeAsync(EntityId machine, DatastorePath config) => _view.WelcomeAsync(machine, config);

    /// <summary>Connected hosts on which a machine is registered and off although that is not its place, or although these files of it were destroyed.</summary>
    internal IReadOnlyList<EntityId> StraysOf(EntityId machine) => _view.StraysOf(machine);

    /// <summary>Machines that were seen registered on more hosts than they should be and that nobody has looked at since.</summary>
    internal IReadOnlyList<EntityId> SeenAstray => _view.Astray;

    /// <summary>Ends when <see cref="SeenAstray"/> holds one.</summary>
    internal Task StraySeenAsync(CancellationToken cancellation) => _view.StraySeenAsync(cancellation);

    /// <summary>Somebody has looked at a machine of <see cref="SeenAstray"/>: it is left alone until it is seen again.</summary>
    internal void LookedAt(EntityId machine) => _view.LookedAt(machine);

    public async ValueTask DisposeAsync()
    {
        List<EntityId> all;
        lock (_gate)
            all = [.. _sessions.Keys];
        foreach (var host in all)
            await StopAsync(host);
    }

    private IHost Connect(Host host)
    {
        try
        {
            return _connector.Connect(host);
        }
        catch (FaultException e)
        {
            return new UnreachableHost(host.Id, e.Fault);
        }
    }

    private HostSession? Find(EntityId host)
    {
        lock (_gate)
            return _sessions.GetValueOrDefault(host);
    }

    private HostSession Get(EntityId host) => Find(host) ?? throw new FaultException(
        _view.Current.Find(host) is Host known
            ? new HostNotConnected(known.Name, "an administrator disconnected it")
            : new NotFound("host", host.ToString()));

    private async Task<HostSnapshot> ObserveAgainAsync(EntityId host, string what, long began, CancellationToken cancellation)
    {
        using var patience = new CancellationTokenSource(Max(Patience - _clock.GetElapsedTime(began)), _clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, patience.Token);
        try
        {
            while (true)
            {
                try
                {
                    var session = Get(host);
                    await session.ConnectedAsync(either.Token);
                    return await session.RefreshAsync(either.Token);
                }
                catch (FaultException e) when (e.Fault is HostNotConnected)
                {
                    await Task.Delay(AskAgain, _clock, either.Token);
                }
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new FaultException(new Interrupted(what, $"the host did not come back within {Patience.TotalSeconds:0} s, so what it did is not known yet"));
        }
    }

    private static TimeSpan Max(TimeSpan rest) => rest > TimeSpan.Zero ? rest : TimeSpan.Zero;
}
