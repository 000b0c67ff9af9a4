using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Planning.Rules;

namespace Alveare.Core.Maintenance;

/// <summary>Hosts going into maintenance and out of it.</summary>
/// <remarks>While a host is entering, no machine comes to it any more (see <see cref="Placement.HostRooms"/>); its machines leave by ordinary
/// migrations, each to the host that placement chooses by room and rules. Killed in the middle: the host runs machines again, and those that have
/// left stay where they are.</remarks>
internal sealed class MaintenanceOperations(MachineGround ground, EventLog events)
{
    // So many leave at once: a target takes part in eight migrations, and others' have to find a place too.
    private const int AtOnce = 4;

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<EnterMaintenance>(EnterAsync);
        tasks.Handle<ExitMaintenance>(ExitAsync);
    }

    private async Task EnterAsync(EnterMaintenance operation, TaskContext context)
    {
        await SetAsync(operation.Target, HostMaintenance.None, HostMaintenance.Entering);
        context.Undo.Push(() => SetAsync(operation.Target, HostMaintenance.Entering, HostMaintenance.None));
        var staying = await EmptyAsync(operation.Target, context);
        context.Cancellation.ThrowIfCancellationRequested();
        var host = ground.Now.Get<Host>(operation.Target);
        if (!staying.IsEmpty)
            throw new FaultException(new HostNotEmptied(host.Name, staying));
        await SetAsync(host.Id, HostMaintenance.Entering, HostMaintenance.In);
        events.Add(EventSeverity.Audit, "host.entered-maintenance", $"Host '{host.Name}' is in maintenance: no machine runs on it.", host.Id, context.Session.User);
    }

    private async Task ExitAsync(ExitMaintenance operation, TaskContext context)
    {
        await SetAsync(operation.Target, HostMaintenance.In, HostMaintenance.None);
        events.Add(EventSeverity.Audit, "host.exited-maintenance", $"Host '{ground.NameOf(operation.Target)}' runs machines again.", operation.Target, context.Session.User);
    }

    /// <summary>Moves machines away until none is left that can leave; answers those that stay, each with the reason.</summary>
    private async Task<ImmutableArray<string>> EmptyAsync(EntityId host, TaskContext context)
    {
        var total = Left(host).Count;
        (ImmutableArray<VirtualMachine> Unit, string? Why)[] staying = [];
        // Again for those that came by a migration which was under way, or that were busy.
        for (var round = 0; round < 3 && Left(host) is { Count: > 0 } left && !context.Cancellation.IsCancellationRequested; round++)
        {
            var slots = new SlotBudget(AtOnce);
            staying = await Task.WhenAll(Units(left, host).Select(async unit =>
            {
                using var slot = await slots.TakeAsync([host], CancellationToken.None);
                var why = context.Cancellation.IsCancellationRequested ? null : await LeaveAsync(unit[0], context);
                var gone = total - Left(host).Count;
                context.Report(100.0 * gone / total, string.Create(CultureInfo.InvariantCulture, $"{gone} of {total} machines have left"));
                return (unit, why);
            }));
        }

        var here = Left(host).Select(v => v.Id).ToHashSet();
        return [.. staying.Where(s => s.Why is not null).SelectMany(s => s.Unit.Where(v => here.Contains(v.Id)).Select(v => $"'{v.Name}' stays: {s.Why}"))];
    }

    /// <summary>Machines that leave as one, each unit in the order of ids.</summary>
    private List<ImmutableArray<VirtualMachine>> Units(List<VirtualMachine> left, EntityId host)
    {
        var now = ground.Now;
        var (units, taken) = (new List<ImmutableArray<VirtualMachine>>(), new HashSet<EntityId>());
        foreach (var vm in left.Where(v => !taken.Contains(v.Id)))
        {
            ImmutableArray<EntityId> unit = now.ClusterOf(host) is { } cluster ? ClusterRules.MovingWith(cluster, vm.Id, now.PlaceOf) : [vm.Id];
            units.Add([.. unit.Where(taken.Add).Select(now.Get<VirtualMachine>)]);
        }

        return units;
    }

    private List<VirtualMachine> Left(EntityId host) => [.. ground.Now.MachinesOn(host)];

    /// <summary>Moves one machine with its group; answers why it stays, or null. One that is off and whose files no other host sees harms nobody there.</summary>
    private async Task<string?> LeaveAsync(VirtualMachine vm, TaskContext context)
    {
        string? why;
        try
        {
            var ended = await ground.Tasks.RunAsync(
                new MigrateVm { Target = vm.Id, WithGroup = true }, $"host '{ground.NameOf(MachineGround.HostOf(vm))}' goes into maintenance", context);
            why = ended.State == TaskState.Succeeded ? null : ended.Fault?.Message ?? "it was cancelled";
        }
        catch (FaultException e)
        {
            why = e.Fault.Message;
        }

        return IsOff(vm.Id) ? null : why?.TrimEnd('.');
    }

    private bool IsOff(EntityId vm) => ground.Now.Find(vm) is not VirtualMachine { MayRun: true };

    private Task SetAsync(EntityId id, HostMaintenance from, HostMaintenance to) => ground.Inventory.ApplyAsync(now =>
    {
        var host = now.Get<Host>(id);
        return host.Maintenance == from
            ? InventoryEdit.Of(host with { Maintenance = to })
            : throw new FaultException(new InvalidState(host.Name, host.Maintenance.Words(), from.Words()));
    });
}
