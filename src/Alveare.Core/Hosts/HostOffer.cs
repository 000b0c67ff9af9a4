using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;

namespace Alveare.Core.Hosts;

/// <summary>Makes one host offer the datastores and port groups of its datacenter, no more and no less, one run after the other.</summary>
/// <remarks>What it refuses is offered again while it is connected: storage that is mounted late needs nobody to say so here. A host that
/// comes back is offered everything anyway.</remarks>
internal sealed class HostOffer(HostSession session, SiteView view, EventLog events, TimeProvider clock, CancellationToken ended)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private Task _last = Task.CompletedTask;
    private bool _isRetrying;

    /// <summary>Answers what the host refused, for now. Throws <see cref="HostNotConnected"/>.</summary>
    public Task<IReadOnlyList<Fault>> ApplyAsync(CancellationToken cancellation)
    {
        lock (_gate)
        {
            var run = AfterAsync(_last, cancellation);
            _last = run;
            return run;
        }
    }

    private async Task<IReadOnlyList<Fault>> AfterAsync(Task previous, CancellationToken cancellation)
    {
        await previous.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        var now = view.Current;
        if (now.Find(session.Id) is not Host host || now.DatacenterOf(host.Id) is not { } datacenter)
            return [];
        var refused = new List<Fault>();
        foreach (var command in Missing(now, host, datacenter))
        {
            try
            {
                await session.ExecuteAsync(command, null, cancellation);
            }
            catch (FaultException e) when (e.Fault is not HostNotConnected)
            {
                refused.Add(e.Fault);
            }
        }

        if (refused.Count > 0)
            _ = RetryAsync(refused);
        return refused;
    }

    private async Task RetryAsync(List<Fault> refused)
    {
        lock (_gate)
        {
            if (_isRetrying)
                return;
            _isRetrying = true;
        }

        try
        {
            IReadOnlyList<Fault> left = refused;
            for (var wait = FirstRetry; left.Count > 0; wait = wait * 2 < LastRetry ? wait * 2 : LastRetry)
            {
                await Task.Delay(wait, clock, ended);
                var before = left;
                left = await ApplyAsync(ended);
                foreach (var fault in left.Except(before))
                    events.Add(EventSeverity.Warning, "host.offer-refused", fault.Message, session.Id);
            }

            events.Add(EventSeverity.Info, "host.offer-taken", $"Host '{session.Name}' offers everything of its datacenter now.", session.Id);
        }
        catch (Exception e) when (e is OperationCanceledException or FaultException)
        {
            // It is gone: it is offered everything at the next contact.
        }
        finally
        {
            lock (_gate)
                _isRetrying = false;
        }
    }

    private IEnumerable<HostCommand> Missing(InventorySnapshot now, Host host, Datacenter datacenter)
    {
        var wanted = now.Children<Datastore>(datacenter.Id).ToList();
        foreach (var offered in host.Datastores)
        {
            if (now.Find(offered.Id) is null && !view.Claims.HasMachineOn(host.Id, offered.Id))
                yield return new UnmountDatastore(offered.Id);
        }

        foreach (var datastore in wanted)
        {
            if (!host.Datastores.Any(d => d.Id == datastore.Id && d.Name == datastore.Name && d.Path == datastore.Path))
                yield return new MountDatastore(datastore.Id, datastore.Name, datastore.Path);
        }

        // Whole, not by difference: the host's report names its port groups but not their network identifiers.
        yield return new ApplyPortGroups([.. now.Children<PortGroup>(datacenter.Id).Select(p => p.Spec)]);
    }
}
