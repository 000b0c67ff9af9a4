using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;

namespace Alveare.Core.Maintenance;

/// <summary>Hosts going into maintenance and out of it.</summary>
/// <remarks>While a host is entering, no machine comes to it any more (see <see cref="Placement.HostRooms"/>). Killed in the middle: the host runs
/// machines again, and those that have left stay where they are.</remarks>
internal sealed class MaintenanceOperations(MachineGround ground, HostEvacuation evacuation, EventLog events)
{
    public void Register(TaskEngine tasks)
    {
        tasks.Handle<EnterMaintenance>(EnterAsync);
        tasks.Handle<ExitMaintenance>(ExitAsync);
    }

    private async Task EnterAsync(EnterMaintenance operation, TaskContext context)
    {
        await SetAsync(operation.Target, HostMaintenance.Entering, HostMaintenance.None, HostMaintenance.Next);
        // However long the store cannot write: nobody else would take it back before the next start of the engine.
        context.Undo.Push(() => ground.InsistAsync(now => now.Find(operation.Target) is Host { Maintenance: HostMaintenance.Entering } host
            ? InventoryEdit.Of(host with { Maintenance = HostMaintenance.None })
            : InventoryEdit.Nothing));
        await evacuation.EmptyAsync(operation.Target, "goes into maintenance", context);
        var host = ground.Now.Get<Host>(operation.Target);
        await SetAsync(host.Id, HostMaintenance.In, HostMaintenance.Entering);
        events.Add(EventSeverity.Audit, "host.entered-maintenance", $"Host '{host.Name}' is in maintenance: no machine runs on it.", host.Id, context.Session.User);
    }

    private async Task ExitAsync(ExitMaintenance operation, TaskContext context)
    {
        await SetAsync(operation.Target, HostMaintenance.None, HostMaintenance.In);
        events.Add(EventSeverity.Audit, "host.exited-maintenance", $"Host '{ground.NameOf(operation.Target)}' runs machines again.", operation.Target, context.Session.User);
    }

    private Task SetAsync(EntityId id, HostMaintenance to, params HostMaintenance[] from) => ground.Inventory.ApplyAsync(now =>
    {
        var host = now.Get<Host>(id);
        if (host.Standby != HostStandby.None)
            throw new FaultException(new InvalidState(host.Name, host.Standby.Words(), HostStandby.None.Words()));
        return from.Contains(host.Maintenance)
            ? InventoryEdit.Of(host with { Maintenance = to })
            : throw new FaultException(new InvalidState(host.Name, host.Maintenance.Words(), from[0].Words()));
    });
}
