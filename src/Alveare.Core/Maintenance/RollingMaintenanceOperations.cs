using System.Collections.Immutable;
using System.Globalization;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Placement;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;

namespace Alveare.Core.Maintenance;

/// <summary>A whole cluster going through maintenance, some hosts at a time.</summary>
/// <remarks>Each step is a task of its own, so that a host which cannot be emptied says why. The task's record names the hosts that it may have put
/// into maintenance, and it is stored before they are: killed in the middle, the engine that starts again lets them run machines. A host that has not
/// come back stays in maintenance and ends the roll: what lost it would lose the next ones too.</remarks>
internal sealed class RollingMaintenanceOperations(MachineGround ground, EventLog events)
{
    /// <summary>How long a host may take to answer when its time in maintenance is over: servers that update their firmware start more than once.</summary>
    public static readonly TimeSpan ReturnPatience = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan LongestHold = TimeSpan.FromDays(1);

    public void Register(TaskEngine tasks)
    {
        tasks.Handle<RollingMaintenance>(RollAsync);
        tasks.FindOut<RollingMaintenance>(FindOutAsync);
    }

    private async Task RollAsync(RollingMaintenance operation, TaskContext context)
    {
        var cluster = ground.Now.Get<Cluster>(operation.Target);
        var hosts = ground.Now.Children<Host>(cluster.Id).Where(h => h is { Maintenance: HostMaintenance.None, Standby: HostStandby.None }).Select(h => h.Id).ToList();
        if (hosts.Count < 2)
            throw new FaultException(new InvalidState(cluster.Name, $"a cluster with {hosts.Count} host{(hosts.Count == 1 ? "" : "s")} that can run machines", "one with two or more, so that others take the machines of each"));
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

        var (done, passed) = (0, new List<string>());
        foreach (var batch in hosts.Chunk(operation.AtOnce))
        {
            context.Report(100.0 * done / hosts.Count, string.Create(CultureInfo.InvariantCulture, $"{done} of {hosts.Count} hosts done; now {string.Join(", ", batch.Select(ground.NameOf))}"));
            await RollAsync(batch, operation, passed, context);
            done += batch.Length;
        }

        if (passed.Count > 0)
            context.Report(100, string.Create(CultureInfo.InvariantCulture, $"{hosts.Count - passed.Count} of {hosts.Count} hosts done; passed over: {string.Join(", ", passed)}"));
    }

    private async Task RollAsync(EntityId[] batch, RollingMaintenance operation, List<string> passed, TaskContext context)
    {
        var entered = new List<EntityId>();
        try
        {
            await EnterAsync(batch, operation.Target, entered, passed, context);
            if (entered.Count > 0)
                await Task.Delay(operation.Hold, ground.Clock, context.Cancellation);
        }
        catch
        {
            // Why the roll ends is the fault of the task; what went wrong besides is an event.
            Say(await LeaveAsync(operation.Target, entered, context), operation.Target, context);
            throw;
        }

        if (await LeaveAsync(operation.Target, entered, context) is not { } left)
            return;
        if (!context.Cancellation.IsCancellationRequested)
            throw new FaultException(left);
        Say(left, operation.Target, context);
        context.Cancellation.ThrowIfCancellationRequested();
    }

    private async Task EnterAsync(EntityId[] batch, EntityId cluster, List<EntityId> entered, List<string> passed, TaskContext context)
    {
        // None of them is a host for the others' machines: those would move once more in a moment.
        await ground.Inventory.ApplyAsync(now => Set(now, batch, HostMaintenance.None, HostMaintenance.Next));
        try
        {
            // One after the other: each is planned on what the one before has left.
            foreach (var host in batch)
            {
                context.Cancellation.ThrowIfCancellationRequested();
                if (WhyPassedOver(cluster, host) is { } why)
                {
                    passed.Add($"{ground.NameOf(host)} ({why})");
                    continue;
                }

                RequireAnswer(host);
                // Not the whole batch: one that is passed over is in maintenance by other hands, and stays in it.
                context.SetHolds([.. entered, host]);
                await context.RememberAsync();
                await EnterAsync(cluster, host, context);
                entered.Add(host);
            }
        }
        finally
        {
            // However long the store cannot write: nobody else would take it back before the next start of the engine.
            await ground.InsistAsync(now => Set(now, batch, HostMaintenance.Next, HostMaintenance.None));
        }
    }

    private static InventoryEdit Set(InventorySnapshot now, EntityId[] hosts, HostMaintenance from, HostMaintenance to) => InventoryEdit.Of(
        [.. hosts.Select(now.Find).OfType<Host>().Where(h => h.Maintenance == from && h.Standby == HostStandby.None).Select(h => h with { Maintenance = to })]);

    // A roll takes hours: what became of a host by other hands meanwhile does not end it.
    private string? WhyPassedOver(EntityId cluster, EntityId id) => ground.Now.Find(id) switch
    {
        not Host => "no longer there",
        Host { Maintenance: not (HostMaintenance.None or HostMaintenance.Next) } host => host.Maintenance.Words(),
        Host { Standby: not HostStandby.None } host => host.Standby.Words(),
        Host { Connection: HostConnection.Disconnected } host => WhyAway(host),
        _ => ground.Now.ClusterOf(id)?.Id == cluster ? null : "no longer in the cluster",
    };

    // One that is away before its turn is no better than one that does not come back, and need not be put into maintenance to see it.
    private void RequireAnswer(EntityId id)
    {
        if (ground.Now.Get<Host>(id) is var host && WhyAway(host) is { } why)
            throw new FaultException(new HostNotConnected(host.Name, why));
    }

    private static string? WhyAway(Host host) => HostRooms.Empty(host).Problem;

    private async Task EnterAsync(EntityId cluster, EntityId host, TaskContext context)
    {
        var ended = await ground.Tasks.RunAsync(new EnterMaintenance { Target = host }, null, context);
        if (ended.Fault is { } fault)
            throw new FaultException(fault);
        if (ended.State != TaskState.Cancelled)
            return;
        context.Cancellation.ThrowIfCancellationRequested();
        // Somebody cancelled this step alone.
        throw new FaultException(new Interrupted(
            $"Rolling maintenance of cluster '{ground.NameOf(cluster)}'", $"{ended.Id}, which was to put host '{ground.NameOf(host)}' into maintenance, was cancelled"));
    }

    /// <summary>Lets those of the hosts that answer, or come back in time, run machines again, also when one of them cannot; answers which the others are, or null.
    /// A roll that is cancelled waits for none.</summary>
    private async Task<HostsLeftInMaintenance?> LeaveAsync(EntityId cluster, IReadOnlyList<EntityId> hosts, TaskContext context, CancellationToken ending = default)
    {
        await BackAsync(hosts, context, ending);
        var left = ImmutableArray.CreateBuilder<string>();
        // Somebody may have ended it for one of them, or removed it, meanwhile.
        foreach (var host in hosts.Where(h => IsIn(ground.Now, h)))
        {
            if (await WhyLeftAsync(ground.Now.Get<Host>(host), context) is { } why)
                left.Add($"'{ground.NameOf(host)}': {why}");
        }

        return left.Count == 0 ? null : new HostsLeftInMaintenance(ground.NameOf(cluster), left.ToImmutable());
    }

    private async Task BackAsync(IReadOnlyList<EntityId> hosts, TaskContext context, CancellationToken ending)
    {
        if (IsBack(ground.Now))
            return;
        context.Report(null, $"waiting for {string.Join(", ", hosts.Where(h => IsAway(ground.Now, h)).Select(ground.NameOf))} to come back");
        using var either = CancellationTokenSource.CreateLinkedTokenSource(context.Cancellation, ending);
        try
        {
            await ground.UntilAsync(IsBack, ReturnPatience, either.Token);
        }
        catch (OperationCanceledException) when (!ending.IsCancellationRequested)
        {
            // Those that are there run machines again all the same.
        }

        bool IsBack(InventorySnapshot now) => !hosts.Any(h => IsAway(now, h));
    }

    private async Task<string?> WhyLeftAsync(Host host, TaskContext context)
    {
        if (WhyAway(host) is { } why)
            return why;
        try
        {
            var ended = await ground.Tasks.RunAsync(new ExitMaintenance { Target = host.Id }, null, context);
            return ended.Fault is { } fault && IsIn(ground.Now, host.Id) ? fault.Message.TrimEnd('.') : null;
        }
        catch (FaultException e)
        {
            return e.Fault.Message.TrimEnd('.');
        }
    }

    private static bool IsIn(InventorySnapshot now, EntityId host) => now.Find(host) is Host { Maintenance: HostMaintenance.In };

    private static bool IsAway(InventorySnapshot now, EntityId host) => IsIn(now, host) && WhyAway(now.Get<Host>(host)) is not null;

    private void Say(HostsLeftInMaintenance? left, EntityId cluster, TaskContext context)
    {
        if (left is not null)
            events.Add(EventSeverity.Warning, "cluster.left-in-maintenance", left.Message, cluster, context.Session.User);
    }

    private async Task<LeftoverOutcome> FindOutAsync(TaskRecord task, TaskContext context, CancellationToken ending)
    {
        // Waiting for hosts that do not come back may be cancelled here too.
        context.PointOfNoReturn = null;
        var left = await LeaveAsync(task.Target, task.Holds, context, ending);
        if (context.Cancellation.IsCancellationRequested)
        {
            Say(left, task.Target, context);
            return new LeftoverOutcome(TaskState.Cancelled);
        }

        Fault fault = left is null
            ? new Interrupted($"Rolling maintenance of cluster '{task.TargetName}'", "the center was restarted while it ran; no host that it emptied is left in maintenance")
            : left;
        return new LeftoverOutcome(TaskState.Failed, fault);
    }
}
