using Alveare.Core.Inventory;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;

namespace Alveare.Core.Hosts;

/// <summary>Makes one host offer the datastores and port groups of its datacenter, no more and no less, one run after the other.</summary>
internal sealed class HostOffer(HostSession session, SiteView view)
{
    private readonly Lock _gate = new();
    private Task _last = Task.CompletedTask;

    /// <summary>Answers what the host refused. Throws <see cref="HostNotConnected"/>.</summary>
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

        return refused;
    }

    private IEnumerable<HostCommand> Missing(InventorySnapshot now, Host host, Datacenter datacenter)
    {
        var wanted = now.Children(datacenter.Id).OfType<Datastore>().ToList();
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
        yield return new ApplyPortGroups([.. now.Children(datacenter.Id).OfType<PortGroup>().Select(p => p.Spec)]);
    }
}
