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

namespace Alveare.Core.Maintenance;

/// <summary>Hosts going into maintenance and out of it.</summary>
/// <remarks>While a host is entering, no machine comes to it any more (see <see cref="Placement.HostRooms"/>); its machines leave by ordinary
/// migrations, each to the host that placement chooses by room and rules. Killed in the middle: the host runs machines again, and those that have
/// left stay where they are.</remarks>
internal sealed class MaintenanceOperations(MachineGround ground, EventLog events)
{
    // So many leave at once: a target takes part in eight migrations, and others' have to find a place too.
    private const int AtOnce = 4;

    private static readonly TimeSpan LongestHold = TimeSpan.FromDays(1);

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<EnterMaintenance>(EnterAsync);
        tasks.Handle<ExitMaintenance>(ExitAsync);
        tasks.Handle<RollingMaintenance>(RollAsync);
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

    // Each step is a task of its own, so that a host which cannot be emptied says why; what was begun is ended before anything else.
    private async Task RollAsync(RollingMaintenance operation, TaskContext context)
    {
        var cluster = ground.Now.Get<Cluster>(operation.Target);
        var hosts = ground.Now.Children<Host>(cluster.Id).Where(h => h.Maintenance == HostMaintenance.None).Select(h => h.Id).ToList();
        if (operation.AtOnce < 1 || operation.AtOnce >= hosts.Count)
        {
            throw new FaultException(new InvalidArgument(
                $"Cluster '{cluster.Name}'", "the number of hosts at once", $"{operation.AtOnce}", $"1 or more, and fewer than the {hosts.Count} hosts that run machines"));
        }

        if (operation.Hold < TimeSpan.Zero || operation.Hold > LongestHold)
        {
            throw new FaultException(new InvalidArgument(
                $"Cluster '{cluster.Name}'", "the time in maintenance", operation.Hold.ToString("c", CultureInfo.InvariantCulture), $"0 to {LongestHold.TotalHours:0} hours"));
        }

        var done = 0;
        foreach (var batch in hosts.Chunk(operation.AtOnce))
        {
            context.Report(100.0 * done / hosts.Count, string.Create(CultureInfo.InvariantCulture, $"{done} of {hosts.Count} hosts done; now {string.Join(", ", batch.Select(ground.NameOf))}"));
            await RollAsync(batch, operation.Hold, context);
            done += batch.Length;
        }
    }

    private async Task RollAsync(EntityId[] batch, TimeSpan hold, TaskContext context)
    {
        var entered = new List<EntityId>();
        try
        {
            // One after the other: each is planned on what the one before has left.
            foreach (var host in batch)
            {
                context.Cancellation.ThrowIfCancellationRequested();
                await DoAsync(new EnterMaintenance { Target = host }, context);
                entered.Add(host);
            }

            await Task.Delay(hold, ground.Clock, context.Cancellation);
        }
        finally
        {
            foreach (var host in entered)
                await DoAsync(new ExitMaintenance { Target = host }, context);
        }
    }

    private async Task DoAsync(Operation operation, TaskContext context)
    {
        var ended = await EndAsync(operation, null, context);
        if (ended.Fault is { } fault)
            throw new FaultException(fault);
        if (ended.State == TaskState.Cancelled)
            throw new OperationCanceledException(context.Cancellation);
    }

    /// <summary>Runs an operation as a task of its own, which is cancelled with this one, and answers how it ended.</summary>
    private async Task<TaskRecord> EndAsync(Operation operation, string? reason, TaskContext context)
    {
        var task = await ground.Tasks.SubmitAsync(context.Session, operation, reason);
        using var cancelling = context.Cancellation.Register(() => TryCancel(task, context));
        return await ground.Tasks.WaitAsync(task.Id, CancellationToken.None);
    }

    /// <summary>Moves machines away until none is left that can leave; answers those that stay, each with the reason.</summary>
    private async Task<ImmutableArray<string>> EmptyAsync(EntityId host, TaskContext context)
    {
        var total = Left(host).Count;
        (VirtualMachine Vm, string? Why)[] staying = [];
        // Again for those that came by a migration which was under way, or that were busy.
        for (var round = 0; round < 3 && Left(host) is { Count: > 0 } left && !context.Cancellation.IsCancellationRequested; round++)
        {
            var slots = new SlotBudget(AtOnce);
            staying = await Task.WhenAll(left.Select(async vm =>
            {
                using var slot = await slots.TakeAsync([host], CancellationToken.None);
                var why = context.Cancellation.IsCancellationRequested ? null : await LeaveAsync(vm, context);
                var gone = total - Left(host).Count;
                context.Report(100.0 * gone / total, string.Create(CultureInfo.InvariantCulture, $"{gone} of {total} machines have left"));
                return (vm, why);
            }));
        }

        var here = Left(host).Select(v => v.Id).ToHashSet();
        return [.. staying.Where(s => s.Why is not null && here.Contains(s.Vm.Id)).Select(s => $"'{s.Vm.Name}' stays: {s.Why}")];
    }

    private List<VirtualMachine> Left(EntityId host) => [.. ground.Now.MachinesOn(host)];

    /// <summary>Moves one machine; answers why it stays, or null. One that is off and whose files no other host sees harms nobody there.</summary>
    private async Task<string?> LeaveAsync(VirtualMachine vm, TaskContext context)
    {
        string? why;
        try
        {
            var ended = await EndAsync(
                new MigrateVm { Target = vm.Id }, $"host '{ground.NameOf(MachineGround.HostOf(vm))}' goes into maintenance", context);
            why = ended.State == TaskState.Succeeded ? null : ended.Fault?.Message ?? "it was cancelled";
        }
        catch (FaultException e)
        {
            why = e.Fault.Message;
        }

        return IsOff(vm.Id) ? null : why?.TrimEnd('.');
    }

    private bool IsOff(EntityId vm) => ground.Now.Find(vm) is not VirtualMachine { MayRun: true };

    private void TryCancel(TaskRecord task, TaskContext context)
    {
        try
        {
            ground.Tasks.Cancel(context.Session, task.Id);
        }
        catch (FaultException)
        {
            // It has ended, or is past the point at which it can be: then the machine has left.
        }
    }

    private Task SetAsync(EntityId id, HostMaintenance from, HostMaintenance to) => ground.Inventory.ApplyAsync(now =>
    {
        var host = now.Get<Host>(id);
        return host.Maintenance == from
            ? InventoryEdit.Of(host with { Maintenance = to })
            : throw new FaultException(new InvalidState(host.Name, host.Maintenance.Words(), from.Words()));
    });
}
