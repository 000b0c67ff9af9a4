using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Model.Resources;
using Alveare.Planning.Placement;

namespace Alveare.Core.Machines;

/// <summary>Keeps room for a machine that comes into a datacenter: made new, cloned, or registered from its files.</summary>
internal sealed class ArrivalPlacement(MachineGround ground, WakingPlacement waking)
{
    /// <param name="resources">What it is promised once it runs.</param>
    /// <param name="location">See <see cref="MachinePlacement.HostsOf"/>. A host that refuses is a fault that names others of the datacenter which would take the machine.</param>
    /// <param name="willRun">It is powered on right away: a host is woken for it where none that is on has room. One that stays off takes no room yet: a full host can hold
    /// its files.</param>
    public async Task<PromisedRoom> PromiseAsync(
        EntityId machine, MachineNeeds needs, ResourceControls resources, Datacenter datacenter, EntityId? location, bool willRun, TaskContext context)
    {
        var arrival = new Arrival(needs.Name, MachinePlacement.PoolOf(location), needs.Memory);
        if (!willRun)
            (needs, resources) = (needs with { Memory = Bytes.Zero, CpuReservation = Megahertz.Zero }, ResourceControls.None);
        var share = new RoomShare(machine, needs.Memory, resources, arrival);
        var isNamed = location is { Kind: EntityKind.Host };
        IReadOnlyList<Host> Hosts(InventorySnapshot now) => MachinePlacement.HostsOf(now, datacenter, location, needs.Name);
        try
        {
            return willRun
                ? await waking.PromiseAsync(share, needs, Hosts, isNamed, preferred: null, context)
                : ground.Rooms.Promise([share], Hosts, rooms => MachinePlacement.Choose(needs, rooms, isNamed));
        }
        catch (HostRefusedException e)
        {
            throw e.NamingOthers(ground.Rooms.Ask(
                [share],
                now => MachinePlacement.HostsOf(now, datacenter, location: null, needs.Name).Where(h => h.Id != location),
                rooms => Placer.Choose(needs, rooms)));
        }
    }
}
