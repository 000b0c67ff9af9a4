using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Site;

/// <summary>Renames objects and moves them in the tree.</summary>
internal sealed class ArrangeOperations(InventoryWriter inventory, HostSessions hosts, TaskEngine tasks)
{
    public void Register()
    {
        tasks.Handle<Rename>(RenameAsync);
        tasks.Handle<Move>(MoveAsync);
    }

    private async Task RenameAsync(Rename operation, TaskContext context)
    {
        context.SetResult(operation.Object);
        if (operation.Object.Kind == EntityKind.VirtualMachine)
        {
            // Its name is in its files: it is held while they are written.
            var ended = await tasks.RunAsync(new RenameVm { Target = operation.Object, Name = operation.Name }, null, context);
            if (ended.Fault is { } fault)
                throw new FaultException(fault);
            return;
        }

        var after = await inventory.ApplyAsync(now =>
        {
            var entity = now.Get<Entity>(operation.Object);
            if (entity.Parent is not { } parent)
                throw new FaultException(new InvalidArgument("Renaming", "the object", "the site itself", "an object in it"));
            now.CheckFree(parent, entity.Id.Kind, operation.Name, except: entity.Id);
            if (entity is PortGroup && now.UserOf(entity.Name, parent) is { } user)
                throw new FaultException(new ObjectInUse(entity.Name, $"virtual machine '{user.Name}', whose files name it"));
            return entity.Name == operation.Name ? InventoryEdit.Nothing : InventoryEdit.Of(entity with { Name = operation.Name });
        });
        // Hosts know these two by name.
        if (after.Find(operation.Object) is Datastore or PortGroup)
            await hosts.OfferEverywhereAsync(after, after.DatacenterOf(operation.Object)!.Id, context.Cancellation);
    }

    private async Task MoveAsync(Move operation, TaskContext context)
    {
        await inventory.ApplyAsync(now =>
        {
            var entity = now.Get<Entity>(operation.Object);
            var into = now.Get<Entity>(operation.Into);
            if (WhyNot(now, entity, into) is { } expected)
                throw new FaultException(new InvalidArgument($"Moving '{entity.Name}'", "the destination", $"'{now.PathOf(into.Id)}'", expected));
            now.CheckFree(into.Id, entity.Id.Kind, entity.Name, except: entity.Id);
            if (entity is Host host)
                CpuBaselineOperations.Require(now, host, into);
            if (entity.Parent == into.Id)
                return InventoryEdit.Nothing;
            // A host's machines leave the cluster with it, and its resource pools.
            var leaving = now.MachinesOn(entity.Id).Where(v => v.Pool is not null).Select(v => v with { Pool = null });
            return InventoryEdit.Of([entity with { Parent = into.Id }, .. leaving]);
        });
        context.SetResult(operation.Object);
    }

    /// <summary>What the destination should have been, or null when it is right.</summary>
    private static string? WhyNot(InventorySnapshot now, Entity entity, Entity into)
    {
        var expected = (entity, into) switch
        {
            (VirtualMachine or Folder, Folder or Datacenter) => null,
            (VirtualMachine or Folder, _) => "a folder or datacenter",
            (Host, Cluster or Datacenter) => null,
            (Host, _) => "a cluster or datacenter",
            _ => "left alone: only machines, folders and hosts can be moved",
        };
        if (expected is not null)
            return expected;
        // Datastores and port groups belong to a datacenter: what depends on them stays in it.
        if (now.DatacenterOf(entity.Id)?.Id != now.DatacenterOf(into.Id)?.Id)
            return "in the same datacenter";
        for (var above = into; above is not null; above = above.Parent is { } parent ? now.Find(parent) : null)
        {
            if (above.Id == entity.Id)
                return "outside of what is moved";
        }

        return null;
    }
}
