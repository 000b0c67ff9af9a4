using System.Collections.Immutable;
using Alveare.Core.Clusters;
using Alveare.Core.Events;
using Alveare.Core.Machines;
using Alveare.Core.Migration;
using Alveare.Core.Security;
using Alveare.Core.Tasks;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;

namespace Alveare.Core.Balancing;

/// <summary>Makes moves of plans as ordinary tasks: at once as far as the budgets go, and each only after those that make room for it.</summary>
/// <remarks>The moves of a plan may still be under way when the next plan is made: it counts their machines where they will be, and leaves them alone.</remarks>
internal sealed class MoveRunner(MachineGround ground, MoveHistory history, EventLog events)
{
    /// <summary>How many of its moves a host takes part in at once, so that others' migrations find a place beside them.</summary>
    public const int MovesPerHost = 2;

    /// <summary>How many of its moves a cluster's migration network carries at once.</summary>
    public const int MovesPerCluster = 8;

    /// <summary>How many of all clusters' moves a datastore bears at once: each has the guest's caches written and its disks opened on another host. One cluster alone
    /// comes to no more; it is several that share a datastore that wait for each other.</summary>
    public const int MovesPerDatastore = 8;

    // One budget for all three: a move that waits for a datastore holds no place of its hosts meanwhile, which other moves can use.
    private readonly SlotBudget _slots = SlotBudget.OfMigrations(MovesPerHost, MovesPerDatastore, MovesPerCluster);

    private readonly MoveTargets _targets = new(ground);
    private readonly List<MoveUnderWay> _underWay = [];
    private readonly Lock _gate = new();

    /// <summary>Where the machines that are being moved, or wait for that, will be: by the migrations that are under way, whoever began them, and by the moves of plans
    /// that have not ended.</summary>
    public Dictionary<EntityId, EntityId> Targets()
    {
        var (now, targets) = (ground.Now, new Dictionary<EntityId, EntityId>(ClusterReading.TargetsOf(ground.Tasks)));
        // In the order of the plans: a machine that makes way and then goes on has two.
        foreach (var (move, group, _) in UnderWay())
        {
            foreach (var vm in group)
            {
                var place = targets.TryGetValue(vm, out var target) ? target : (now.Find(vm) as VirtualMachine)?.Host;
                if (place == move.From)
                    targets[vm] = move.To;
            }
        }

        return targets;
    }

    /// <summary>Makes the moves and waits until all that began have ended. Answers how each ended, in the order of the moves. By the time that it first waits, all
    /// of them are among the <see cref="Targets"/>.</summary>
    public async Task<IReadOnlyList<MoveEnd>> RunAsync(EntityId cluster, IReadOnlyList<ClusterMove> moves, MoveMandate mandate)
    {
        using var patience = new CancellationTokenSource(mandate.GoodFor, ground.Clock);
        using var old = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, mandate.Cancellation);
        var earlier = UnderWay();
        var running = new List<MoveUnderWay>();
        foreach (var move in moves)
        {
            var waits = new MoveWaits(
                [.. running.Where(r => r.Move.From == move.To || r.Move.Vm == move.Vm).Select(r => r.End)],
                [.. earlier.Where(e => e.Move.From == move.To || e.Move.To == move.To).Select(e => e.End)],
                old.Token);
            ImmutableArray<EntityId> group = [.. GroupOf(move).Select(v => v.Id)];
            var made = new MoveUnderWay(move, group, MoveAsync(cluster, move, waits, mandate));
            running.Add(made);
            lock (_gate)
                _underWay.Add(made);
        }

        return await Task.WhenAll(running.Select(r => r.End));
    }

    private ImmutableArray<MoveUnderWay> UnderWay()
    {
        lock (_gate)
        {
            _underWay.RemoveAll(m => m.End.IsCompleted);
            return [.. _underWay];
        }
    }

    private async Task<MoveEnd> MoveAsync(EntityId cluster, ClusterMove move, MoveWaits waits, MoveMandate mandate)
    {
        try
        {
            await Task.WhenAll(waits.Before).OrCancelledAsync(waits.Old);
            // An earlier plan's moves may take long yet, and what it was that they make room for was another's.
            if (!waits.Earlier.All(e => e.IsCompleted) && !Fits(move))
                await Task.WhenAll(waits.Earlier).OrCancelledAsync(waits.Old);
            using var slots = await _slots.TakeAsync([move.From, move.To, cluster, .. DatastoresOf(move)], waits.Old);
            if (waits.Old.IsCancellationRequested)
                return MoveEnd.CalledOff;
            if (ground.Now.Find(move.Vm) is not VirtualMachine vm)
                return new(null, new NotFound("virtual machine", move.VmName));
            if (vm.Host != move.From)
                return new(null, new InvalidState(vm.Name, vm.Host is { } now ? $"on {ground.NameOf(now)} by now" : "on no host by now", $"on {move.FromName}"));
            return await MoveAsync(vm, move, mandate);
        }
        catch (OperationCanceledException) when (waits.Old.IsCancellationRequested)
        {
            return MoveEnd.CalledOff;
        }
    }

    /// <summary>Whether its target takes it as things are.</summary>
    private bool Fits(ClusterMove move)
    {
        try
        {
            if (GroupOf(move) is [_, ..] group)
                _targets.PromiseLive(group, move.From, move.To).Dispose();
            return true;
        }
        catch (FaultException)
        {
            return false;
        }
    }

    private IEnumerable<EntityId> DatastoresOf(ClusterMove move) => GroupOf(move).Select(v => v.Config.Datastore).Distinct();

    /// <summary>The machine with those that go along; none when it is gone.</summary>
    private ImmutableArray<VirtualMachine> GroupOf(ClusterMove move) => ground.Now.Find(move.Vm) is VirtualMachine vm ? _targets.MovingWith(vm, move.From) : [];

    private async Task<MoveEnd> MoveAsync(VirtualMachine vm, ClusterMove move, MoveMandate mandate)
    {
        TaskRecord task;
        var session = mandate.Session;
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
        var ended = mandate.Within is { } context ? await ground.Tasks.WaitWithinAsync(task, context) : await ground.Tasks.WaitAsync(task.Id, mandate.Cancellation);
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

/// <summary>In whose name moves are made, and for how long.</summary>
/// <param name="GoodFor">A move that has not begun after so long is not begun any more: the plan is old. <see cref="Timeout.InfiniteTimeSpan"/> for a plan that stays good.</param>
/// <param name="Within">The task that has them made: what has begun is cancelled with it, and it ends after that. Null for the loop, which waits for none of them when the engine ends.</param>
/// <param name="Cancellation">Nothing is begun any more when it fires.</param>
internal sealed record MoveMandate(Session Session, TimeSpan GoodFor, TaskContext? Within, CancellationToken Cancellation);

/// <summary>A move that was to be made, and is from then on until it has ended or was called off.</summary>
/// <param name="Group">Its machine and those that go along.</param>
internal sealed record MoveUnderWay(ClusterMove Move, ImmutableArray<EntityId> Group, Task<MoveEnd> End);

/// <summary>What a move waits for.</summary>
/// <param name="Before">Moves of its plan that end before it begins.</param>
/// <param name="Earlier">Moves of earlier plans from and to its target, which it may need to have ended.</param>
/// <param name="Old">Fires when it waits no longer.</param>
internal sealed record MoveWaits(Task[] Before, Task[] Earlier, CancellationToken Old);

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

    /// <summary>It was not begun, or was cancelled: nothing speaks against doing it later.</summary>
    public bool IsOpen => Task is null or { State: TaskState.Cancelled };
}
