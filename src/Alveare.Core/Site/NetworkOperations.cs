using System.Globalization;
using Alveare.Core.Events;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Site;

/// <summary>Port groups of a datacenter.</summary>
internal sealed class NetworkOperations(InventoryWriter inventory, HostSessions hosts, EventLog events, IdSource ids)
{
    private const int FirstVni = 100;
    private const int LastVni = 16_777_215;

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<CreatePortGroup>(CreateAsync);
        tasks.Handle<RemovePortGroup>(RemoveAsync);
    }

    private async Task CreateAsync(CreatePortGroup operation, TaskContext context)
    {
        var id = new EntityId(EntityKind.PortGroup, ids.NewUuid());
        await inventory.ApplyAsync(now =>
        {
            now.CheckFree(operation.Target, EntityKind.PortGroup, operation.Name);
            return InventoryEdit.Of(new PortGroup { Id = id, Name = operation.Name, Parent = operation.Target, Vni = VniFor(now, operation) });
        });
        context.Undo.Push(() => TakeBackAsync(id, operation.Target));
        context.SetResult(id);
        context.Report(30, "Building it on the hosts");
        var refused = await hosts.OfferEverywhereAsync(inventory.Current, operation.Target, context.Cancellation);
        var connected = inventory.Current.HostsOf(operation.Target).Count(h => hosts.IsConnected(h.Id));
        if (connected > 0 && refused.Select(r => r.Host).Distinct().Count() >= connected)
            throw new FaultException(refused[0].Fault);
        Report(refused);
    }

    private async Task RemoveAsync(RemovePortGroup operation, TaskContext context)
    {
        var datacenter = inventory.Current.DatacenterOf(operation.Target)!;
        await inventory.ApplyAsync(now =>
        {
            var portGroup = now.Get<PortGroup>(operation.Target);
            if (now.UserOf(portGroup.Name, datacenter.Id) is { } user)
                throw new FaultException(new ObjectInUse(portGroup.Name, $"virtual machine '{user.Name}'"));
            return InventoryEdit.Remove(portGroup.Id);
        });
        context.Report(50, "Taking it from the hosts");
        Report(await hosts.OfferEverywhereAsync(inventory.Current, datacenter.Id, context.Cancellation));
    }

    private async Task TakeBackAsync(EntityId portGroup, EntityId datacenter)
    {
        await inventory.ApplyAsync(_ => InventoryEdit.Remove(portGroup));
        await hosts.OfferEverywhereAsync(inventory.Current, datacenter, CancellationToken.None);
    }

    private void Report(IEnumerable<OfferRefusal> refused)
    {
        foreach (var (host, fault) in refused)
            events.Add(EventSeverity.Warning, "host.offer-refused", fault.Message, host);
    }

    // Over the whole site: two datacenters may share one wire.
    private static int VniFor(InventorySnapshot now, CreatePortGroup operation)
    {
        var used = now.OfType<PortGroup>().ToDictionary(p => p.Vni);
        if (operation.Vni is not { } wanted)
            return Enumerable.Range(FirstVni, LastVni - FirstVni + 1).First(v => !used.ContainsKey(v));
        var what = $"Port group '{operation.Name}'";
        var given = wanted.ToString(CultureInfo.InvariantCulture);
        if (wanted is < 1 or > LastVni)
            throw new FaultException(new InvalidArgument(what, "the network identifier", given, $"1 to {LastVni}"));
        if (used.TryGetValue(wanted, out var other))
            throw new FaultException(new InvalidArgument(what, "the network identifier", $"{given}, which port group '{other.Name}' has", "one of its own"));
        return wanted;
    }
}
