using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Migration;
using Alveare.Core.Placement;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Planning.Migration;

namespace Alveare.Core.Maintenance;

/// <summary>Plans to empty a host, by the very checks that its moves will pass, without doing anything.</summary>
/// <remarks>Room is promised to one unit after the other, as the moves will do, but out of rooms that nobody else sees. The units that take most memory come
/// first, because they are the ones that end up with nowhere to go. For what finds no host others make room (<see cref="RoomMaking"/>).</remarks>
public sealed class MaintenancePlanner
{
    /// <summary>So many leave at once: a target takes part in eight migrations, and others' have to find a place too.</summary>
    internal const int AtOnce = 4;

    private readonly MachineGround _ground;
    private readonly MoveTargets _targets;
    private readonly MigrationCosts _costs;

    internal MaintenancePlanner(MachineGround ground, MigrationCosts costs) => (_ground, _targets, _costs) = (ground, new MoveTargets(ground), costs);

    /// <summary>What putting the host into maintenance would do now.</summary>
    public MaintenancePlan Plan(EntityId host) => Plan(host, FrozenSet<EntityId>.Empty);

    /// <summary>As the other one, when some machines of other hosts could not make room.</summary>
    internal MaintenancePlan Plan(EntityId host, IReadOnlySet<EntityId> unable)
    {
        var name = _ground.Now.Get<Host>(host).Name;
        var (steps, stuck) = (new List<EvacuationStep>(), new List<(ImmutableArray<VirtualMachine> Unit, string Why)>());
        var rooms = _ground.Rooms.Rehearsal();
        var targets = new MoveTargets(_ground with { Rooms = rooms });
        foreach (var unit in UnitsOn(host))
        {
            try
            {
                steps.Add(new(unit, host, TargetOf(targets, unit, host), null));
            }
            catch (FaultException e)
            {
                stuck.Add((unit, e.Fault.Message.TrimEnd('.')));
            }
        }

        steps.AddRange(new RoomMaking(_ground, host, unable).Plan(rooms, [.. stuck.Select(s => s.Unit)]));
        var leaving = steps.SelectMany(s => s.Unit).Select(vm => vm.Id).ToHashSet();
        ImmutableArray<MaintenanceMove> moves = [.. steps.SelectMany(Moves)];
        return new MaintenancePlan(
            name,
            moves,
            [.. stuck.SelectMany(s => s.Unit.Where(vm => !leaving.Contains(vm.Id)).Select(vm => new MaintenanceStay(vm.Id, vm.Name, s.Why, vm.MayRun)))],
            MaintenancePlan.Together([.. moves.Select(m => m.Seconds)], n => MaintenancePlan.Before(moves, n), AtOnce))
        {
            Warnings = [.. Warnings(rooms, host, moves.Where(m => m.IsLive).Select(m => m.To).Distinct().Order())],
        };
    }

    /// <param name="rooms">As they are once all moves are made.</param>
    private static IEnumerable<string> Warnings(HostRooms rooms, EntityId host, IEnumerable<EntityId> targets)
    {
        foreach (var room in rooms.Of(targets).Where(r => r.CpuDemand > r.CpuCapacity))
            yield return string.Create(CultureInfo.InvariantCulture, $"host '{room.Name}' is asked for {100.0 * room.CpuDemand.Value / room.CpuCapacity.Value:0} % of its CPU");
        var without = rooms.Now.With([rooms.Now.Get<Host>(host) with { Maintenance = HostMaintenance.In }], []);
        if (without.ClusterOf(host) is { } cluster)
        {
            foreach (var overdrawn in rooms.PoolsOf(without, cluster).Overdrawn())
                yield return overdrawn;
        }
    }

    /// <summary>The machines of a host, those together that leave as one; what takes most memory first.</summary>
    internal List<ImmutableArray<VirtualMachine>> UnitsOn(EntityId host)
    {
        var (units, taken) = (new List<ImmutableArray<VirtualMachine>>(), new HashSet<EntityId>());
        foreach (var vm in _ground.Now.MachinesOn(host))
        {
            if (!taken.Contains(vm.Id))
                units.Add([.. (vm.MayRun ? _targets.MovingWith(vm, host) : [vm]).Where(v => taken.Add(v.Id))]);
        }

        return [.. units.OrderByDescending(u => u.Sum(v => Takes(v).Value)).ThenBy(u => u[0].Id)];
    }

    private static EntityId TargetOf(MoveTargets targets, ImmutableArray<VirtualMachine> unit, EntityId host)
    {
        if (!unit[0].MayRun)
            return targets.PromiseRegistration(unit[0], null).Host;
        return unit.FirstOrDefault(v => v.Power != PowerState.On) is { } still
            ? throw new FaultException(new InvalidPowerState(still.Name, still.Power, PowerStates.On))
            : targets.PromiseLive(unit, host, null).Host;
    }

    private IEnumerable<MaintenanceMove> Moves(EvacuationStep step) => step.Unit.Select(vm => new MaintenanceMove(
        vm.Id,
        vm.Name,
        step.From,
        _ground.NameOf(step.From),
        step.To,
        _ground.NameOf(step.To),
        vm.MayRun,
        Takes(vm),
        vm.MayRun ? _costs.Of(vm.Id, step.From, step.To).SecondsFor(Takes(vm)) : 0)
    {
        With = vm == step.Unit[0] ? null : step.Unit[0].Name,
        For = step.For?.Id,
        ForName = step.For?.Name,
    });

    private Bytes Takes(VirtualMachine vm) =>
        !vm.MayRun ? Bytes.Zero : _ground.Statistics.LatestDemandOf(vm.Id)?.Consumed is { Value: > 0 } consumed ? consumed : vm.Spec?.Memory ?? Bytes.Zero;
}
