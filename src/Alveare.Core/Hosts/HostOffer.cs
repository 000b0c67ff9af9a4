using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Waiting;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;

namespace Alveare.Core.Hosts;

/// <summary>Makes one host offer the datastores and port groups of its datacenter, no more and no less, one run after the other.</summary>
/// <remarks>What it refuses is offered again while it is connected: storage that is mounted late needs nobody to say so here. A host that
/// comes back is offered everything anyway. What it takes is in its record when a run ends: whoever waited for it may place machines by that.</remarks>
internal sealed class HostOffer(HostSession session, SiteView view, EventLog events, TimeProvider clock, CancellationToken ended)
{
    /// <summary>How long a host may take to report what it has taken.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private Task _last = Task.CompletedTask;
    private TaskCompletionSource _heard = NewSignal();
    private bool _isRetrying;

    /// <summary>Answers what the host refused, for now, or took without reporting it. Throws <see cref="HostNotConnected"/>.</summary>
    public Task<IReadOnlyList<Fault>> ApplyAsync(CancellationToken cancellation)
    {
        lock (_gate)
        {
            var run = AfterAsync(_last, cancellation);
            _last = run;
            return run;
        }
    }

    /// <summary>The host has said something that the inventory has, or is lost.</summary>
    public void Heard()
    {
        TaskCompletionSource heard;
        lock (_gate)
            (heard, _heard) = (_heard, NewSignal());
        heard.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task<IReadOnlyList<Fault>> AfterAsync(Task previous, CancellationToken cancellation)
    {
        await previous.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        var now = view.Current;
        if (now.Find(session.Id) is not Host host || now.DatacenterOf(host.Id) is not { } datacenter)
            return [];
        var taken = new List<HostCommand>();
        var refused = new List<Fault>();
        foreach (var command in Missing(now, host, datacenter))
        {
            try
            {
                await session.ExecuteAsync(command, null, cancellation);
                taken.Add(command);
            }
            catch (FaultException e) when (e.Fault is not HostNotConnected)
            {
                refused.Add(e.Fault);
            }
        }

        refused.AddRange(await UnreportedAsync(taken, cancellation));
        if (refused.Count > 0)
            _ = RetryAsync(refused);
        return refused;
    }

    private async Task<IEnumerable<Fault>> UnreportedAsync(List<HostCommand> taken, CancellationToken cancellation)
    {
        using var patience = new CancellationTokenSource(Patience, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellation);
        while (true)
        {
            Task heard;
            lock (_gate)
                heard = _heard.Task;
            if (view.Current.Find(session.Id) is not Host host)
                return [];
            // Of a host that is lost nothing is to be heard: throws.
            _ = session.Link;
            taken.RemoveAll(command => Says(host, command));
            if (taken.Count == 0)
                return [];
            try
            {
                await heard.OrCancelledAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                return taken.Select(Unreported);
            }
        }
    }

    private HostAnswerInvalid Unreported(HostCommand command)
    {
        var what = command switch
        {
            MountDatastore mount => $"it offers datastore '{mount.Name}'",
            UnmountDatastore unmount => $"it no longer offers {unmount.Datastore}",
            _ => "it has its port groups",
        };
        return new(session.Name, $"it says that {what}, and its report has not followed within {Patience.TotalSeconds:0} s");
    }

    /// <summary>Whether the host's record is as the command makes it.</summary>
    private static bool Says(Host host, HostCommand command) => command switch
    {
        MountDatastore mount => host.Datastores.Any(d => d.Id == mount.Datastore && d.Name == mount.Name && d.Path == mount.Path),
        UnmountDatastore unmount => host.Datastores.All(d => d.Id != unmount.Datastore),
        ApplyPortGroups apply => host.PortGroups.SequenceEqual(apply.PortGroups.Select(p => p.Name).Order(StringComparer.Ordinal)),
        _ => true,
    };

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

        foreach (var mount in wanted.Select(d => new MountDatastore(d.Id, d.Name, d.Path)).Where(m => !Says(host, m)))
            yield return mount;

        // Whole, not by difference: the host's report names its port groups but not their network identifiers.
        yield return new ApplyPortGroups([.. now.Children<PortGroup>(datacenter.Id).Select(p => p.Spec)]);
    }
}
