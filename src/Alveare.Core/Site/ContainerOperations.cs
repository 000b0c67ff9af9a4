using Alveare.Core.Inventory;
using Alveare.Core.Power;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Site;

/// <summary>Datacenters, folders and clusters: the tree that the site's objects are ordered in.</summary>
internal sealed class ContainerOperations(InventoryWriter inventory, LoadRecord loads, IdSource ids)
{
    public void Register(TaskEngine tasks)
    {
        tasks.Handle<CreateDatacenter>(CreateAsync);
        tasks.Handle<CreateFolder>(CreateAsync);
        tasks.Handle<CreateCluster>(CreateAsync);
        tasks.Handle<RemoveContainer>(RemoveAsync);
    }

    private Task CreateAsync(CreateDatacenter operation, TaskContext context) =>
        PutNewAsync(context, _ => new Datacenter { Id = NewId(EntityKind.Datacenter), Name = operation.Name, Parent = operation.Target });

    private Task CreateAsync(CreateCluster operation, TaskContext context) =>
        PutNewAsync(context, _ => new Cluster { Id = NewId(EntityKind.Cluster), Name = operation.Name, Parent = operation.Target });

    private Task CreateAsync(CreateFolder operation, TaskContext context) => PutNewAsync(context, now => new Folder
    {
        Id = NewId(EntityKind.Folder),
        Name = operation.Name,
        Parent = operation.Folder is { } folder ? now.GetWithin<Folder>(folder, operation.Target).Id : operation.Target,
    });

    private async Task PutNewAsync(TaskContext context, Func<InventorySnapshot, Entity> make)
    {
        Entity? made = null;
        await inventory.ApplyAsync(now =>
        {
            made = make(now);
            now.CheckFree(made.Parent!.Value, made.Id.Kind, made.Name);
            return InventoryEdit.Of(made);
        });
        context.SetResult(made!.Id);
    }

    private async Task RemoveAsync(RemoveContainer operation, TaskContext context)
    {
        await inventory.ApplyAsync(now => Removal(now, operation));
        if (operation.Object.Kind == EntityKind.Cluster)
            await loads.ForgetAsync(operation.Object);
    }

    private static InventoryEdit Removal(InventorySnapshot now, RemoveContainer operation)
    {
        var container = now.Get<Entity>(operation.Object);
        if (container is not (Datacenter or Cluster or Folder))
            throw new FaultException(new InvalidArgument("Removing", "the object", $"a {OperationCatalogue.Prefix(container.Id.Kind)}", "a datacenter, cluster or folder"));
        var held = now.Children(container.Id).Count();
        if (held > 0)
            throw new FaultException(new InvalidState(container.Name, $"not empty (it holds {held} objects)", "empty"));
        return InventoryEdit.Remove(container.Id);
    }

    private EntityId NewId(EntityKind kind) => new(kind, ids.NewUuid());
}
