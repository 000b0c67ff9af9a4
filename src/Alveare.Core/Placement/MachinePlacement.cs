using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Planning.Placement;

namespace Alveare.Core.Placement;

/// <summary>Chooses the host of a new or starting machine among those that its operation allows.</summary>
public static class MachinePlacement
{
    /// <summary>The hosts that a location (a host, a cluster, a resource pool of one, or null for the whole datacenter) allows.</summary>
    public static IReadOnlyList<Host> HostsOf(InventorySnapshot now, Datacenter datacenter, EntityId? location, string machine)
    {
        switch (location is { } given ? now.Find(given) : datacenter)
        {
            case Datacenter all when all.Id == datacenter.Id:
                return [.. HostsUnder(now, all.Id)];
            case Cluster cluster when now.DatacenterOf(cluster.Id)?.Id == datacenter.Id:
                return [.. HostsUnder(now, cluster.Id)];
            case ResourcePool pool when now.DatacenterOf(pool.Id)?.Id == datacenter.Id:
                return [.. HostsUnder(now, now.ClusterOfPool(pool.Id)!.Id)];
            case Host host when now.DatacenterOf(host.Id)?.Id == datacenter.Id:
                return [host];
            case null:
                throw new FaultException(new NotFound("host, cluster or resource pool", location.ToString()!));
            case { } other:
                throw new FaultException(new InvalidArgument(machine, "the location", $"'{other.Name}'", $"a host, cluster or resource pool of datacenter '{datacenter.Name}'"));
        }
    }

    /// <summary>The hosts a registered machine may be brought to: those of its cluster, or of its datacenter when its host is in none.</summary>
    public static IReadOnlyList<Host> Neighbours(InventorySnapshot now, VirtualMachine vm)
    {
        if (now.ClusterOf(vm.Host) is { } cluster)
            return [.. HostsUnder(now, cluster.Id)];
        return now.DatacenterOf(vm.Id) is { } datacenter ? [.. HostsUnder(now, datacenter.Id)] : [];
    }

    /// <summary>The hosts a registered machine may be started on: where balancing moves nothing by itself its own alone, else its neighbours.</summary>
    public static IReadOnlyList<Host> StartHosts(InventorySnapshot now, VirtualMachine vm) =>
        now.ClusterOf(vm.Host) is { } cluster && cluster.Balancing.ModeOf(vm.Id) is null or BalanceMode.Manual
            ? [now.Get<Host>(vm.Host!.Value)]
            : Neighbours(now, vm);

    /// <summary>One host that somebody named must fit, and the fault (<see cref="HostRefusedException"/>) is the first rule it breaks; among several one is chosen, and the fault
    /// tells of each of them why not.</summary>
    public static EntityId Choose(MachineNeeds needs, ImmutableArray<HostRoom> rooms, bool isNamed, PreferredHost? preferred = null)
    {
        if (isNamed)
            return HostFit.Check(needs, rooms[0]) is [var first, ..] ? throw new HostRefusedException(first) : rooms[0].Id;
        var answer = Placer.Choose(needs, rooms, preferred);
        return answer.Host ?? throw new FaultException(new NoHostFits(needs.Name, answer.Refusals));
    }

    /// <summary>The resource pool that a location stands for, or null.</summary>
    public static EntityId? PoolOf(EntityId? location) => location is { Kind: EntityKind.ResourcePool } ? location : null;

    private static IEnumerable<Host> HostsUnder(InventorySnapshot now, EntityId container) =>
        now.Children(container).SelectMany(child => child switch
        {
            Host host => [host],
            Cluster cluster => now.Children<Host>(cluster.Id),
            _ => [],
        });
}
