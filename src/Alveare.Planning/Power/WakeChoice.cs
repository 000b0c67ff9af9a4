using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Planning.Placement;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.Power;

/// <summary>Chooses the host that is woken for a machine which finds no room on those that are on.</summary>
public static class WakeChoice
{
    /// <summary>Of the hosts that would take the machine if they were on the smallest, as <see cref="PowerPlanner"/> wakes the smallest that is enough; one that is
    /// being woken already comes before all that sleep, and ties go to the lower id. Null when none would take it.</summary>
    public static EntityId? For(MachineNeeds needs, ImmutableArray<HostRoom> asleep)
    {
        ImmutableArray<SnapshotHost> hosts = [.. asleep.Select(h => new SnapshotHost(h.Id.ToString(), h.CpuCapacity.Value, h.MemoryForGuests.Mb))];
        return asleep.Select((host, number) => (Host: host, Size: PowerPlanner.Size(hosts[number], hosts)))
            .Where(h => HostFit.Check(needs, Awake(h.Host)).IsEmpty)
            .OrderBy(h => h.Host.Standby != HostStandby.Exiting)
            .ThenBy(h => h.Size)
            .ThenBy(h => h.Host.Id)
            .Select(h => (EntityId?)h.Host.Id)
            .FirstOrDefault();
    }

    // What it offered last is all that is known of a host that sleeps. What a cluster has promised is measured by the hosts that are on, and it would be one of them.
    private static HostRoom Awake(HostRoom host) => host with
    {
        Problem = null,
        Standby = HostStandby.None,
        PoolShortages = host.PoolShortages.RemoveAll(s => s is InsufficientPoolReservation { IsExpandable: null } shortage
            && shortage.Needed - shortage.Free <= (shortage.Resource == PoolResource.Cpu ? host.CpuCapacity.Value : host.MemoryForGuests.Value)),
    };
}
