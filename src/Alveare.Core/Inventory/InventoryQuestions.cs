using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;

namespace Alveare.Core.Inventory;

/// <summary>Questions that several operations ask of a snapshot.</summary>
public static class InventoryQuestions
{
    /// <summary>The object, which must be in the datacenter: <see cref="NotFound"/> or <see cref="InvalidArgument"/> faults.</summary>
    public static T GetWithin<T>(this InventorySnapshot inventory, EntityId id, EntityId datacenter)
        where T : Entity
    {
        var found = inventory.Get<T>(id);
        return inventory.DatacenterOf(id)?.Id == datacenter
            ? found
            : throw new FaultException(new InvalidArgument(
                $"'{found.Name}'", "the datacenter it is in", $"'{inventory.DatacenterOf(id)?.Name}'", $"'{inventory.Get<Datacenter>(datacenter).Name}'"));
    }

    /// <summary>The host that a machine runs on, or may run on; null for one that is off or that there is not.</summary>
    public static EntityId? PlaceOf(this InventorySnapshot inventory, EntityId vm) => inventory.Find(vm) is VirtualMachine { MayRun: true } found ? found.Host : null;

    /// <summary>The cluster that a host is in, or null.</summary>
    public static Cluster? ClusterOf(this InventorySnapshot inventory, EntityId? host) =>
        host is { } id && inventory.Find(id)?.Parent is { } parent ? inventory.Find(parent) as Cluster : null;

    /// <summary>The cluster that a resource pool is in, at whatever depth, or null.</summary>
    public static Cluster? ClusterOfPool(this InventorySnapshot inventory, EntityId pool)
    {
        var above = inventory.Find(pool);
        while (above is ResourcePool { Parent: { } parent })
            above = inventory.Find(parent);
        return above as Cluster;
    }

    /// <summary>The resource pools below a cluster or pool, at whatever depth, each after the one it is in.</summary>
    public static IEnumerable<ResourcePool> PoolsOf(this InventorySnapshot inventory, EntityId above) =>
        inventory.Children<ResourcePool>(above).SelectMany(p => inventory.PoolsOf(p.Id).Prepend(p));

    /// <summary>The resource pool that a machine is in once it is on a host: its own, unless that is of another cluster.</summary>
    public static EntityId? PoolOn(this InventorySnapshot inventory, EntityId? host, VirtualMachine vm) =>
        vm.Pool is { } pool && inventory.ClusterOfPool(pool) is { } cluster && inventory.ClusterOf(host)?.Id == cluster.Id ? pool : null;

    /// <summary>The hosts of a datacenter, in clusters or not, in id order.</summary>
    public static IEnumerable<Host> HostsOf(this InventorySnapshot inventory, EntityId datacenter) =>
        inventory.OfType<Host>().Where(h => inventory.DatacenterOf(h.Id)?.Id == datacenter).OrderBy(h => h.Id);

    /// <summary>A machine of the datacenter with a network card on the port group of this name, or null.</summary>
    public static VirtualMachine? UserOf(this InventorySnapshot inventory, string portGroup, EntityId datacenter) => inventory.OfType<VirtualMachine>()
        .Where(v => v.Spec?.Nics.Any(n => n.PortGroup == portGroup) == true && inventory.DatacenterOf(v.Id)?.Id == datacenter)
        .MinBy(v => v.Id);

    /// <summary>A usable name that no other child of the parent has, made of a wanted one.</summary>
    public static string UniqueName(this InventorySnapshot inventory, EntityId parent, EntityKind kind, string wanted)
    {
        var taken = inventory.Children(parent).Where(e => e.Id.Kind == kind).Select(e => e.Name).ToHashSet(StringComparer.Ordinal);
        return Names.Unique(wanted, taken);
    }
}
