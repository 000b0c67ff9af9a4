using System.Collections.Frozen;
using System.Collections.Immutable;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Placement;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Planning.Migration;
using Alveare.Planning.Placement;
using Alveare.Planning.Rules;

namespace Alveare.Core.Migration;

/// <summary>Chooses where machines move to, and has their room kept there: for moves, and for plans of moves.</summary>
internal sealed class MoveTargets(MachineGround ground)
{
    /// <summary>A machine, and those where it runs that rules keep together with it.</summary>
    public ImmutableArray<VirtualMachine> MovingWith(VirtualMachine vm, EntityId source)
    {
        var now = ground.Now;
        return now.ClusterOf(source) is { } cluster
            ? [.. ClusterRules.MovingWith(cluster, vm.Id, v => v == vm.Id ? source : now.PlaceOf(v)).Select(now.Get<VirtualMachine>)]
            : [vm];
    }

    /// <summary>A host for a machine that is off.</summary>
    /// <param name="named">The host that somebody named; null to choose one.</param>
    public PromisedRoom PromiseRegistration(VirtualMachine vm, EntityId? named)
    {
        var needs = MachineNeeds.Of(MachineGround.SpecOf(vm) with { Name = vm.Name }, vm.Config.Datastore, ground.NameOf(vm.Config.Datastore)) with
        {
            Memory = Bytes.Zero,
        };
        if (named is { } same && same == vm.Host)
            throw new FaultException(new InvalidArgument($"Virtual machine '{vm.Name}'", "the target host", $"'{ground.NameOf(same)}', where it already is", "another host"));
        IEnumerable<Host> Others(InventorySnapshot now) => MachinePlacement.Neighbours(now, vm).Where(h => h.Id != vm.Host && h.Id != named);
        ImmutableArray<RoomShare> shares = [new(vm.Id, Bytes.Zero, MachineGround.SpecOf(vm).Resources)];
        try
        {
            return ground.Rooms.Promise(
                shares, now => named is { } id ? [now.Get<Host>(id)] : Others(now), rooms => MachinePlacement.Choose(needs, rooms, isNamed: named is not null), isToRun: false);
        }
        catch (HostRefusedException e)
        {
            throw e.NamingOthers(ground.Rooms.Ask(shares, Others, rooms => Placer.Choose(needs, rooms), isToRun: false));
        }
    }

    /// <summary>A host for machines that run on one host and move to another together.</summary>
    /// <param name="named">The host that somebody named; null to choose one.</param>
    public PromisedRoom PromiseLive(ImmutableArray<VirtualMachine> group, EntityId source, EntityId? named)
    {
        var specs = group.Select(MachineGround.RunningSpec).ToImmutableArray();
        IEnumerable<Host> Others(InventorySnapshot now) => MachinePlacement.Neighbours(now, group[0]).Where(h => h.Id != source && h.Id != named);
        ImmutableArray<MigrationCandidate> Candidates(ImmutableArray<HostRoom> rooms) =>
            [.. group.Select((vm, n) => new MigrationCandidate(specs[n], vm.Config, ground.NameOf(vm.Config.Datastore), rooms[0], rooms[^1]) { Entering = Entering(vm, source, rooms) })];
        ImmutableArray<RoomShare> shares = [.. group.Select((vm, n) => new RoomShare(vm.Id, specs[n].Memory, specs[n].Resources))];
        try
        {
            return ground.Rooms.Promise(
                shares, now => [now.Get<Host>(source), .. named is { } id ? [now.Get<Host>(id)] : Others(now)], rooms => ChooseTarget(Candidates(rooms), rooms[1..], named is not null));
        }
        catch (HostRefusedException e)
        {
            throw e.NamingOthers(ground.Rooms.Ask(shares, now => [now.Get<Host>(source), .. Others(now)], rooms => MigrationPlacer.Choose(Candidates(rooms), rooms[1..])));
        }
    }

    private FrozenDictionary<EntityId, ClusterBaseline> Entering(VirtualMachine vm, EntityId source, ImmutableArray<HostRoom> rooms)
    {
        if (vm.Spec?.CpuModel is not null)
            return FrozenDictionary<EntityId, ClusterBaseline>.Empty;
        var (now, from) = (ground.Now, ground.Now.ClusterOf(source)?.Id);
        return rooms
            .Select(room => (room.Id, Into: now.ClusterOf(room.Id)))
            .Where(r => r.Into?.CpuBaseline is not null && r.Into.Id != from)
            .ToFrozenDictionary(r => r.Id, r => new ClusterBaseline(r.Into!.Name, r.Into.CpuBaseline!));
    }

    private static EntityId ChooseTarget(ImmutableArray<MigrationCandidate> group, ImmutableArray<HostRoom> others, bool isNamed)
    {
        if (isNamed)
            return MigrationPlacer.Check(group, others[0]) is [var first, ..] ? throw new HostRefusedException(first) : others[0].Id;
        var answer = MigrationPlacer.Choose(group, others);
        return answer.Host ?? throw new FaultException(new NoHostFits(group[0].Machine.Name, answer.Refusals));
    }
}
