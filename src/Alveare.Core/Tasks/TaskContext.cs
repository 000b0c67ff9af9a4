using System.Collections.Immutable;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Tasks;

namespace Alveare.Core.Tasks;

/// <summary>What an operation's handler gets of its task: who asked, how to report, whether to stop, what to take back.</summary>
public sealed class TaskContext : IDisposable
{
    private readonly Action<Func<TaskRecord, TaskRecord>> _update;
    private readonly Func<Task> _remember;
    private readonly Func<Func<InventorySnapshot, InventoryEdit>, IReadOnlyList<StoreCompanion>, Task> _conclude;
    private readonly CancellationTokenSource _cancellation = new();
    private readonly Lock _gate = new();
    private bool _hasEnded;

    internal TaskContext(
        string id,
        Session session,
        Action<Func<TaskRecord, TaskRecord>> update,
        Func<Task> remember,
        Func<Func<InventorySnapshot, InventoryEdit>, IReadOnlyList<StoreCompanion>, Task> conclude) =>
        (Id, Session, _update, _remember, _conclude, Cancellation) = (id, session, update, remember, conclude, _cancellation.Token);

    public string Id { get; }

    public Session Session { get; }

    /// <summary>Fires when a user cancels the task.</summary>
    public CancellationToken Cancellation { get; }

    public UndoStack Undo { get; } = new();

    /// <summary>Set by a handler when cancelling would do harm from now on: why.</summary>
    public string? PointOfNoReturn { get; set; }

    public void Report(double? percent, string? step, MigrationProgress? migration = null) =>
        _update(r => r with { Percent = percent ?? r.Percent, Step = step ?? r.Step, Migration = migration ?? r.Migration });

    /// <summary>The task waits for a place (true) or goes on (false).</summary>
    public void Queue(bool waits) => _update(r => r with { State = waits ? TaskState.Queued : TaskState.Running });

    /// <summary>The object that the operation made or the place it moved to.</summary>
    public void SetResult(EntityId result) => _update(r => r with { Result = result });

    /// <summary>From where to where a migration goes.</summary>
    public void SetMove(MachineMove move) => _update(r => r with { Move = move });

    /// <summary>Objects that the task keeps in a state which must not outlive it.</summary>
    public void SetHolds(ImmutableArray<EntityId> holds) => _update(r => r with { Holds = holds });

    /// <summary>The machine that the task makes is to be powered on then.</summary>
    public void SetPowersOn() => _update(r => r with { PowersOn = true });

    /// <summary>Stores the task as it is now, so that an engine that starts again knows what was set so far. Writes that are begun after
    /// this call become durable after it.</summary>
    public Task RememberAsync() => _remember();

    /// <summary>Makes the operation's last change of the inventory and stores with it that the task has succeeded. Fails as
    /// <see cref="InventoryWriter.ApplyAsync"/> does, having changed nothing; once it has not, nothing that the handler does takes the success back.</summary>
    /// <param name="companions">Stored with both.</param>
    public Task ConcludeAsync(Func<InventorySnapshot, InventoryEdit> edit, params IReadOnlyList<StoreCompanion> companions) => _conclude(edit, companions);

    public void SetFigures(MigrationFigures figures) => _update(r => r with { Figures = figures });

    /// <summary>An <see cref="IProgress{T}"/> for host commands that fills <paramref name="from"/> to <paramref name="to"/> percent of this task.</summary>
    public IProgress<HostProgress> Progress(double from, double to) => new Relay(p =>
        Report(p.Percent is { } percent ? from + ((to - from) * percent / 100) : null, p.Step, p.Migration));

    internal void Cancel()
    {
        if (PointOfNoReturn is { } reason)
            throw new FaultException(new NotCancellable(Id, reason));
        _update(r => r with { CancelRequested = true });
        lock (_gate)
        {
            // A task that has just ended has nothing left to stop.
            if (!_hasEnded)
                _cancellation.Cancel();
        }
    }

    public void Dispose()
    {
        lock (_gate)
            _hasEnded = true;
        _cancellation.Dispose();
    }

    // Progress<T> of the framework posts to a captured context; here the order of reports must be kept.
    private sealed class Relay(Action<HostProgress> report) : IProgress<HostProgress>
    {
        public void Report(HostProgress value) => report(value);
    }
}
