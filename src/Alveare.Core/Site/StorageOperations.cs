using Alveare.Core.Events;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Site;

/// <summary>Datastores of a datacenter.</summary>
internal sealed class StorageOperations(InventoryWriter inventory, HostSessions hosts, EventLog events, IdSource ids)
{
    private const int MaxPathLength = 1024;

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<CreateDatastore>(CreateAsync);
        tasks.Handle<RemoveDatastore>(RemoveAsync);
    }

    private async Task CreateAsync(CreateDatastore operation, TaskContext context)
    {
        var path = CheckedPath(operation);
        Check(inventory.Current, operation, path);
        context.Report(10, "Offering the directory on a first host");
        var (id, first) = await MountFirstAsync(operation, path, context);
        await inventory.ApplyAsync(now =>
        {
            Check(now, operation, path);
            var seen = now.OfType<Host>().SelectMany(h => h.Datastores).FirstOrDefault(d => d.Id == id);
            return InventoryEdit.Of(new Datastore
            {
                Id = id,
                Name = operation.Name,
                Parent = operation.Target,
                Path = path,
                Capacity = seen?.Capacity ?? Bytes.Zero,
                Free = seen?.Free ?? Bytes.Zero,
            });
        });
        context.Undo.Push(async () => await inventory.ApplyAsync(_ => InventoryEdit.Remove(id)));
        context.SetResult(id);
        context.Report(50, "Offering it on the hosts");
        var refused = await hosts.OfferEverywhereAsync(inventory.Current, operation.Target, context.Cancellation);
        // Hosts that do not have the directory are no failure: the datastore is local to those that do. The first one has it.
        var isOffered = inventory.Current.HostsOf(operation.Target).Any(h => h.Datastores.Any(d => d.Id == id));
        if (!isOffered && refused.FirstOrDefault(r => r.Host == first && r.Fault is HostAnswerInvalid) is { } unreported)
            throw new FaultException(unreported.Fault);
        Report(refused);
    }

    /// <summary>Mounts the directory on the first host that has it. Only this host may mark it; one that is marked keeps its identity.</summary>
    private async Task<(EntityId Datastore, EntityId Host)> MountFirstAsync(CreateDatastore operation, string path, TaskContext context)
    {
        var now = inventory.Current;
        var connected = now.HostsOf(operation.Target).Where(h => hosts.IsConnected(h.Id)).ToList();
        if (connected.Count == 0)
            throw new FaultException(new InvalidState(now.Get<Datacenter>(operation.Target).Name, "without a connected host", "one with a connected host that has the directory"));
        FaultException? refused = null;
        foreach (var host in connected)
        {
            try
            {
                var id = await MountAsync(host.Id, operation.Name, path, context);
                context.Undo.Push(async () => await hosts.ExecuteAsync(host.Id, new UnmountDatastore(id), null, CancellationToken.None));
                return (id, host.Id);
            }
            catch (FaultException e)
            {
                refused ??= e;
            }
        }

        throw refused!;
    }

    private async Task<EntityId> MountAsync(EntityId host, string name, string path, TaskContext context)
    {
        var id = new EntityId(EntityKind.Datastore, ids.NewUuid());
        try
        {
            await hosts.ExecuteAsync(host, new MountDatastore(id, name, path, Mark: true), null, context.Cancellation);
            return id;
        }
        catch (FaultException e) when (e.Fault is DatastoreIsAnother { Actual: { Kind: EntityKind.Datastore } actual } && inventory.Current.Find(actual) is null)
        {
            await hosts.ExecuteAsync(host, new MountDatastore(actual, name, path), null, context.Cancellation);
            return actual;
        }
    }

    private async Task RemoveAsync(RemoveDatastore operation, TaskContext context)
    {
        var datacenter = inventory.Current.DatacenterOf(operation.Target)!;
        await inventory.ApplyAsync(now =>
        {
            var datastore = now.Get<Datastore>(operation.Target);
            if (now.OfType<VirtualMachine>().FirstOrDefault(v => v.Config.Datastore == datastore.Id) is { } user)
                throw new FaultException(new ObjectInUse(datastore.Name, $"virtual machine '{user.Name}'"));
            return InventoryEdit.Remove(datastore.Id);
        });
        context.Report(50, "Taking it from the hosts");
        Report(await hosts.OfferEverywhereAsync(inventory.Current, datacenter.Id, context.Cancellation));
    }

    private void Report(IEnumerable<OfferRefusal> refused)
    {
        foreach (var (host, fault) in refused)
            events.Add(EventSeverity.Warning, "host.offer-refused", fault.Message, host);
    }

    private static void Check(InventorySnapshot now, CreateDatastore operation, string path)
    {
        now.CheckFree(operation.Target, EntityKind.Datastore, operation.Name);
        if (now.Children<Datastore>(operation.Target).FirstOrDefault(d => d.Path == path) is { } same)
            throw new FaultException(new InvalidArgument($"Datastore '{operation.Name}'", "the directory", $"'{path}', which is datastore '{same.Name}'", "one that is no datastore yet"));
    }

    private static string CheckedPath(CreateDatastore operation)
    {
        var path = operation.Path.Length > 1 ? operation.Path.TrimEnd('/') : operation.Path;
        var reason = path switch
        {
            { Length: 0 or > MaxPathLength } => $"it must have 1 to {MaxPathLength} characters",
            _ when path[0] != '/' => "it must be absolute",
            "/" => "it must not be the root of the file system",
            _ when path.Any(char.IsControl) => "it must not hold control characters",
            _ when path[1..].Split('/').Any(s => s is "" or "." or "..") => "it must not have empty, '.' or '..' segments",
            _ => null,
        };
        return reason is null ? path : throw new FaultException(new InvalidPath(operation.Path, reason));
    }
}
