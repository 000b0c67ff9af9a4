using System.Collections.Immutable;
using Alveare.Core.Clusters;
using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Model;
using Alveare.Model.Inventory;
using Alveare.Planning.Power;
using Alveare.Planning.Snapshots;

namespace Alveare.Core.Balancing;

/// <summary>A cluster as power saving sees it: what balancing reads of it, and its hosts that sleep or come.</summary>
internal static class PowerReading
{
    /// <summary>Before a host that is woken now is up and has taken machines.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromMinutes(15);

    /// <summary>Before a host that goes to sleep now has been worth it.</summary>
    private static readonly TimeSpan Later = TimeSpan.FromHours(1);

    /// <param name="rests">Hosts that are left on for now.</param>
    public static PowerView Of(InventorySnapshot now, ClusterReading reading, ImmutableArray<HourLoad> past, DateTimeOffset moment, Func<EntityId, bool> rests)
    {
        var hosts = now.Children<Host>(reading.Cluster.Id).Where(h => h.Facts is not null).ToList();
        // What stays where it is keeps its host on.
        var snapshot = reading.Snapshot.WithStaying(v => v.IsLeftAlone || reading.Stays.ContainsKey(v.Id));
        var (cpu, memory) = ClusterPools.Of(now, reading.Cluster, []).PromisedIn(reading.Cluster.Id);
        return new PowerView(
            snapshot,
            [.. hosts.Where(h => reading.Hosts.ContainsKey(h.Name) && h is { CanBeWoken: true, PowerDownProblem: null, FailedWakes: 0 } && !rests(h.Id) && !HoldsFiles(now, h)).Select(h => h.Name)],
            [.. hosts.Where(h => IsComing(h) && !reading.Hosts.ContainsKey(h.Name)).Select(Capacity)],
            [.. hosts.Where(h => h.IsReserve).Select(Capacity)],
            LoadForecast.Between(moment, Soon, past),
            LoadForecast.Between(moment, Later, past),
            cpu.Value,
            memory.Mb);
    }

    // One that is up and of which there are no statistics yet, too.
    private static bool IsComing(Host host) =>
        host.Standby == HostStandby.Exiting || host is { Connection: HostConnection.Connected, Maintenance: HostMaintenance.None, Standby: HostStandby.None };

    /// <summary>Machines that are off could not be started while the only host that sees their files sleeps.</summary>
    private static bool HoldsFiles(InventorySnapshot now, Host host)
    {
        var elsewhere = now.Children<Host>(host.Parent!.Value)
            .Where(h => h.Id != host.Id && h.Connection == HostConnection.Connected)
            .SelectMany(h => h.Datastores.Where(d => d.Problem is null).Select(d => d.Id))
            .ToHashSet();
        return now.MachinesOn(host.Id).Any(v => !elsewhere.Contains(v.Config.Datastore));
    }

    private static SnapshotHost Capacity(Host host) => new(host.Name, host.Facts!.CpuCapacity.Value, host.Facts.MemoryForGuests.Mb);
}
