using System.Collections.Immutable;
using Alveare.Core.Clusters;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Migration;
using Alveare.Core.Placement;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Planning.Balancing;

namespace Alveare.Core.Maintenance;

/// <summary>Machines that move as one, by a plan.</summary>
/// <param name="For">The machine that they make room for; null for those that leave the host which is emptied.</param>
internal sealed record EvacuationStep(ImmutableArray<VirtualMachine> Unit, EntityId From, EntityId To, VirtualMachine? For);

/// <summary>Plans which machines of other hosts make room for those of one that no host takes as things are.</summary>
/// <remarks>Ways are found by <see cref="Evacuation"/> in a snapshot of the cluster, and each is kept only if all its moves pass the checks that they will pass
/// when they are made.</remarks>
/// <param name="unable">Machines that were to make room and could not.</param>
internal sealed class RoomMaking(MachineGround ground, EntityId host, IReadOnlySet<EntityId> unable)
{
    /// <summary>The moves in their order: of each way those that make room, then the one for which it is made.</summary>
    /// <param name="rooms">A rehearsal, with all others having left.</param>
    /// <param name="stuck">Units that found no host in it.</param>
    public List<EvacuationStep> Plan(HostRooms rooms, IReadOnlyCollection<ImmutableArray<VirtualMachine>> stuck)
    {
        var steps = new List<EvacuationStep>();
        if (ground.Now.ClusterOf(host) is not { } cluster)
            return steps;
        var hopeless = stuck.Where(unit => unit.Any(vm => vm.Power != PowerState.On)).SelectMany(unit => unit).Select(vm => vm.Id).ToHashSet();
        while (stuck.Any(unit => !hopeless.Contains(unit[0].Id) && rooms.Now.PlaceOf(unit[0].Id) == host))
        {
            List<EvacuationStep>? refused = null;
            foreach (var way in Ways(cluster, rooms.Now, hopeless))
            {
                if (Rehearsed(rooms, way) is not { } then)
                {
                    refused = way;
                    break;
                }

                steps.AddRange(way);
                rooms = then;
            }

            // Again without a unit whose way is none by the checks: what was planned after it counted on it.
            if (refused is null)
                break;
            hopeless.UnionWith(refused[^1].Unit.Select(vm => vm.Id));
        }

        return steps;
    }

    private HostRooms? Rehearsed(HostRooms rooms, List<EvacuationStep> way)
    {
        var attempt = rooms.Rehearsal();
        var targets = new MoveTargets(ground with { Rooms = attempt });
        try
        {
            foreach (var step in way)
                targets.PromiseLive(step.Unit, step.From, step.To);
            return attempt;
        }
        catch (FaultException)
        {
            return null;
        }
    }

    private IEnumerable<List<EvacuationStep>> Ways(Cluster cluster, InventorySnapshot now, HashSet<EntityId> hopeless)
    {
        var hosts = now.Children<Host>(cluster.Id).Where(h => ClusterReading.IsUsable(h) || (h.Id == host && ClusterReading.HasCapacity(h)));
        var reading = ClusterReading.Of(now, cluster, [.. hosts], ground.Statistics, ClusterReading.TargetsOf(ground.Tasks));
        if (reading.Hosts.FirstOrDefault(h => h.Value == host).Key is not { } left)
            yield break;
        var moves = Evacuation.Maintenance(
            reading.Snapshot.WithStaying(v => hopeless.Contains(reading.Vms[v.Id])), left, vm => MayHelp(now.Get<VirtualMachine>(reading.Vms[vm]))).Moves;
        var way = new List<EvacuationStep>();
        foreach (var lead in moves.Where(m => m.With is null))
        {
            var unit = moves.SkipWhile(m => m != lead).Skip(1).TakeWhile(m => m.With is not null).Prepend(lead);
            way.Add(new([.. unit.Select(m => Of(m.Vm))], reading.Hosts[lead.From], reading.Hosts[lead.To], lead.For is { } goal ? Of(goal) : null));
            if (lead.For is not null)
                continue;
            yield return way;
            way = [];
        }

        VirtualMachine Of(string name) => now.Get<VirtualMachine>(reading.Vms[name]);
    }

    // What leaves the host by the plan is not moved once more.
    private bool MayHelp(VirtualMachine vm) =>
        ClusterReading.WhyItStays(vm) is null
        && !unable.Contains(vm.Id)
        && (ground.Now.PlaceOf(vm.Id) != host || vm.Host == host);
}
