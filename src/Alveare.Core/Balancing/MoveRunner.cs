using System.Collections.Immutable;
using Alveare.Core.Events;
using Alveare.Core.Machines;
using Alveare.Core.Migration;
using Alveare.Core.Security;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;

namespace Alveare.Core.Balancing;

/// <summary>Makes moves of a plan as ordinary tasks: at once as far as the budgets go, and each only after those that make room for it.</summary>
internal sealed class MoveRunner(MachineGround ground, MoveHistory history, EventLog events)
{
    /// <summary>How many of its moves a host takes part in at once, so that others' migrations find a place beside them.</summary>
    public const int MovesPerHost = 2;

    /// <summary>How many of its moves a cluster's migration network carries at once.</summary>
    public const int MovesPerCluster = 8;

    /// <summary>How many of all clusters' moves a datastore bears at once: each has the guest's caches written and its disks opened on another host. One cluster alone
    /// comes to no more; it is several that share a datastore that wait for each other.</summary>
    public const int MovesPerDatastore = 8;

    private readonly SlotBudget _hosts = new(MovesPerHost);
    private readonly SlotBudget _networks = new(MovesPerCluster);
    private readonly SlotBudget _datastores = new(MovesPerDatastore);
    private readonly MoveTargets _targets = new(ground);

    /// <summary>Makes the moves and waits until all that began have ended. Answers how each ended, in the order of the moves.</summary>
    /// <param name="goodFor">A move that has not begun after so long is not begun any more: the plan is old.</param>
    public async Task<IReadOnlyList<MoveEnd>> RunAsync(
        EntityId cluster, IReadOnlyList<ClusterMove> moves, Session session, TimeSpan goodFor, CancellationToken cancellation)
    {
        var began = ground.Clock.GetTimestamp();
        var running = new List<(ClusterMove Move, Task<MoveEnd> Task)>();
        foreach (var move in moves)
        {
            Task[] before = [.. running.Where(r => r.Move.From == move.To || r.Move.Vm == move.Vm).Select(r => r.Task)];
            running.Add((move, MoveAsync(cluster, move, before, session, () => ground.Clock.GetElapsedTime(began) > goodFor, cancellation)));
        }

        return await Task.WhenAll(running.Select(r => r.Task));
    }

    private async Task<MoveEnd> MoveAsync(
        EntityId cluster, ClusterMove move, Task[] before, Session session, Func<bool> isOld, CancellationToken cancellation)
    {
        try
        {
            await Task.WhenAll(before);
            using var hosts = await _hosts.TakeAsync([move.From, move.To], cancellation);
            using var network = await _networks.TakeAsync([cluster], cancellation);
            using var datastores = await _datastores.TakeAsync(DatastoresOf(move), cancellation);
            if (isOld() || cancellation.IsCancellationRequested)
                return MoveEnd.CalledOff;
            if (ground.Now.Find(move.Vm) is not VirtualMachine vm)
                return new(null, new NotFound("virtual machine", move.VmName));
            if (vm.Host != move.From)
                return new(null, new InvalidState(vm.Name, vm.Host is { } now ? $"on {ground.NameOf(now)} by now" : "on no host by now", $"on {move.FromName}"));
            return await MoveAsync(vm, move, session, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return MoveEnd.CalledOff;
        }
    }

    private EntityId[] DatastoresOf(ClusterMove move) => ground.Now.Find(move.Vm) is VirtualMachine vm
        ? [.. _targets.MovingWith(vm, move.From).Select(v => v.Config.Datastore).Distinct()]
        : [];

    private async Task<MoveEnd> MoveAsync(VirtualMachine vm, ClusterMove move, Session session, CancellationToken cancellation)
    {
        TaskRecord task;
        var group = _targets.MovingWith(vm, move.From);
        try
        {
            task = await ground.Tasks.SubmitAsync(session, new MigrateVm { Target = move.Vm, Host = move.To, WithGroup = true }, move.Reason);
        }
        catch (FaultException e)
        {
            events.Add(EventSeverity.Info, "balance.skipped", $"'{vm.Name}' is not moved from {move.FromName} to {move.ToName}: {e.Message}", vm.Id, session.User);
            return new(null, e.Fault);
        }

        events.Add(EventSeverity.Info, "balance.move", $"{task.Id} moves '{vm.Name}' from {move.FromName} to {move.ToName}: {move.Reason}", vm.Id, session.User);
        var ended = await ground.Tasks.WaitAsync(task.Id, cancellation);
        Note(vm, group, move, ended);
        return new(ended);
    }

    private void Note(VirtualMachine vm, ImmutableArray<VirtualMachine> group, ClusterMove move, TaskRecord ended)
    {
        if (ended.State == TaskState.Succeeded)
        {
            foreach (var moved in group)
                history.Moved(moved.Id, move.To);
        }
        else if (ended.State == TaskState.Failed && history.Failed(vm.Id) is { } pause)
        {
            events.Add(
                EventSeverity.Warning,
                "balance.backs-off",
                $"Moving '{vm.Name}' has failed {MoveHistory.FailuresToBackOff} times or more ({ended.Fault?.Message.TrimEnd('.')}); balancing leaves it alone for {pause.TotalMinutes:0} minutes.",
                vm.Id);
        }
    }
}

/// <summary>How a move of a plan, or a host's way to standby or back, ended.</summary>
/// <param name="Task">Null for one that was not begun.</param>
/// <param name="WhyNotBegun">Null for one that was.</param>
internal sealed record MoveEnd(TaskRecord? Task, Fault? WhyNotBegun = null)
{
    /// <summary>Not begun because the plan was old by its turn, or nobody wants it any more.</summary>
    public static readonly MoveEnd CalledOff = new(Task: null);

    /// <summary>Why it failed, or was not begun.</summary>
    public Fault? Fault => Task?.Fault ?? WhyNotBegun;

    public bool IsDone => Task?.State == TaskState.Succeeded;
}
