using Alveare.Core.Changes;
using Alveare.Core.Events;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Core.Store;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Security;
using Alveare.Model.Tasks;
using Microsoft.Extensions.Logging;

namespace Alveare.Core.Tasks;

/// <summary>Carries out operations as tasks: checks them by their declaration, stores them before it acknowledges them, and ends every one.</summary>
public sealed class TaskEngine(
    IStore store,
    InventoryWriter inventory,
    EventLog events,
    Feed feed,
    TimeProvider clock,
    ILogger logger)
{
    /// <summary>How many ended tasks are kept.</summary>
    public const int Kept = 2_000;

    private readonly Dictionary<Type, Func<Operation, TaskContext, Task>> _handlers = [];
    private readonly Dictionary<string, Func<TaskRecord, TaskContext, CancellationToken, Task<LeftoverOutcome>>> _finders = [];
    private readonly TaskBook _book = new(Kept);
    private readonly TargetClaims _claims = new(inventory, logger);
    private volatile bool _isStopped;

    /// <summary>Says who carries out an operation.</summary>
    public void Handle<T>(Func<T, TaskContext, Task> handler)
        where T : Operation =>
        _handlers.Add(typeof(T), (operation, context) => handler((T)operation, context));

    /// <summary>Says who finds out how an operation ended that an earlier run of the engine left: the machine stays busy until it is known.
    /// An operation that nobody finds out about failed with <see cref="Interrupted"/>.</summary>
    public void FindOut<T>(Func<TaskRecord, TaskContext, CancellationToken, Task<LeftoverOutcome>> finder)
        where T : Operation =>
        _finders.Add(OperationCatalogue.All.Single(d => d.Type == typeof(T)).Name, finder);

    /// <summary>The machines that tasks of an earlier run hold until their outcome is found out, and which task it is. Machines that such a
    /// task only reads are read again.</summary>
    public IReadOnlyDictionary<EntityId, string> Hold(IReadOnlyList<TaskRecord> leftovers)
    {
        var held = new Dictionary<EntityId, string>();
        foreach (var leftover in leftovers.Where(l => IsFoundOut(l) && l.Target.Kind == EntityKind.VirtualMachine))
        {
            if (OperationCatalogue.Find(leftover.Operation)?.Rules.SharesTarget == true)
                _claims.AddReader(leftover.Target, leftover.Id);
            else
                held[leftover.Target] = leftover.Id;
        }

        return held;
    }

    /// <summary>Reads the stored tasks. Those that were running when the engine ended are returned: somebody must end them.</summary>
    public IReadOnlyList<TaskRecord> Load() => _book.Load(store);

    /// <summary>Ends the tasks that an earlier run of the engine left. Does not wait for those whose outcome is to be found out.</summary>
    public async Task EndLeftoversAsync(IReadOnlyList<TaskRecord> leftovers, CancellationToken cancellation)
    {
        foreach (var leftover in leftovers.Where(IsFoundOut))
            _ = FindOutAsync(_book.Get(leftover.Id), cancellation);
        await Task.WhenAll(leftovers.Where(l => !IsFoundOut(l)).Select(l => EndAsync(_book.Get(l.Id), TaskState.Failed, Restarted(l), null)));
    }

    /// <summary>Accepts an operation. When this ends, the task is on disk and running (or queued); refusals are faults, and those for lack
    /// of a privilege are audited.</summary>
    /// <param name="reason">Why, in words, for what nobody asked for by itself.</param>
    public async Task<TaskRecord> SubmitAsync(Session session, Operation operation, string? reason = null)
    {
        if (_isStopped)
            throw new FaultException(new InvalidState("The engine", "being stopped", "running"));
        var declaration = operation.Declaration();
        var target = inventory.Current.Find(operation.Target);
        if (target is null || target.Id.Kind != declaration.Rules.Kind)
            throw new FaultException(new NotFound(OperationCatalogue.Prefix(declaration.Rules.Kind), operation.Target.ToString()));
        Authorize(session, declaration.Rules.Privilege, declaration.Name, target.Id, target.Name);
        if (!_handlers.TryGetValue(declaration.Type, out var handler))
            throw new FaultException(new Unsupported("This engine", $"the operation {declaration.Name}"));

        var entry = new TaskEntry(new TaskRecord
        {
            Id = _book.NewId(),
            Operation = declaration.Name,
            Target = target.Id,
            TargetName = target.Name,
            TargetFiles = (target as VirtualMachine)?.Config,
            User = session.User,
            Reason = reason,
            State = TaskState.Running,
            QueuedAt = clock.GetUtcNow(),
            StartedAt = clock.GetUtcNow(),
        });
        try
        {
            if (target is VirtualMachine)
                await _claims.TakeAsync(operation, declaration, entry.Record.Id);
            await store.CommitAsync([TaskBook.Write(entry.Record)]);
        }
        catch
        {
            await _claims.GiveBackAsync(entry.Record);
            throw;
        }

        // Before anybody can see the task: who sees it may cancel it.
        entry.Context = NewContext(entry, session);
        _book.Add(entry);
        feed.Publish([new TaskChanged(entry.Record)]);
        var accepted = entry.Record;
        _ = RunAsync(entry, handler, operation);
        return accepted;
    }

    /// <summary>Takes no operations any more. What is cut off from now on stays unended, as if the engine had been killed.</summary>
    public void Stop() => _isStopped = true;

    public bool IsStopped => _isStopped;

    /// <summary>Carries out an operation inside another one's task: same checks, no task of its own.</summary>
    public Task RunWithinAsync(TaskContext context, Operation operation) => _handlers[operation.GetType()](operation, context);

    public TaskRecord Get(string id) => _book.Get(id).Record;

    /// <summary>The task, or null when there is none of this id any more.</summary>
    public TaskRecord? Find(string id) => _book.Find(id)?.Record;

    /// <summary>Newest first.</summary>
    public IReadOnlyList<TaskRecord> List() => _book.List();

    /// <summary>Waits until a task has ended and answers its record.</summary>
    public async Task<TaskRecord> WaitAsync(string id, CancellationToken cancellation)
    {
        var entry = _book.Get(id);
        await entry.Ended.Task.OrCancelledAsync(cancellation);
        return entry.Record;
    }

    /// <summary>Asks a task to stop. Faults: <see cref="TaskAlreadyEnded"/>, <see cref="NotCancellable"/>.</summary>
    public TaskRecord Cancel(Session session, string id)
    {
        var entry = _book.Get(id);
        var record = entry.Record;
        Authorize(session, Privilege.TaskCancel, "task.cancel", record.Target, id);
        if (record.HasEnded)
            throw new FaultException(new TaskAlreadyEnded(id, ModelJson.Word(record.State)));
        if (OperationCatalogue.Find(record.Operation)?.Rules.Cancellable != true || entry.Context is null)
            throw new FaultException(new NotCancellable(id, $"{record.Operation} does not stop half-way"));
        entry.Context.Cancel();
        return entry.Record;
    }

    /// <summary>A <see cref="NoPermission"/> fault, which is audited, unless the user has the privilege. Also for what runs as no task.</summary>
    /// <param name="operation">What was tried, such as <c>vm.power-on</c>.</param>
    public void Authorize(Session session, Privilege privilege, string operation, EntityId on, string name)
    {
        try
        {
            session.Require(privilege, name);
        }
        catch (FaultException e)
        {
            events.AddAttempt("operation.refused", $"{operation} was refused: {e.Message}", on, session.User);
            throw;
        }
    }

    private bool IsFoundOut(TaskRecord leftover) => _finders.ContainsKey(leftover.Operation);

    private static Interrupted Restarted(TaskRecord leftover) =>
        new($"{leftover.Operation} on '{leftover.TargetName}'", "the center was restarted while it ran");

    private async Task FindOutAsync(TaskEntry entry, CancellationToken cancellation)
    {
        // It stops for a user only where the finder says so.
        using var context = entry.Context = NewContext(entry, Session.System);
        context.PointOfNoReturn = "the center was restarted while it ran, and finds out how it ended";
        await Task.Yield();
        try
        {
            var outcome = await _finders[entry.Record.Operation](entry.Record, context, cancellation);
            await EndAsync(entry, outcome.State, outcome.Fault, outcome.Result);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The engine ends again: the next run finds out.
        }
        catch (FaultException e)
        {
            await EndAsync(entry, TaskState.Failed, e.Fault, null);
        }
        catch (Exception e)
        {
            logger.LogError(e, "Finding out how {Task} ({Operation}) ended broke.", entry.Record.Id, entry.Record.Operation);
            await EndAsync(entry, TaskState.Failed, new InternalError(entry.Record.Id), null);
        }
    }

    private TaskContext NewContext(TaskEntry entry, Session session) =>
        new(
            entry.Record.Id,
            session,
            change => Update(entry, change),
            () => store.CommitAsync([TaskBook.Write(entry.Record)]),
            (edit, companions) => ConcludeAsync(entry, edit, companions));

    private async Task RunAsync(TaskEntry entry, Func<Operation, TaskContext, Task> handler, Operation operation)
    {
        await Task.Yield();
        using var context = entry.Context!;
        try
        {
            await handler(operation, context);
            context.Undo.Clear();
            await EndAsync(entry, TaskState.Succeeded, null, entry.Record.Result);
        }
        catch (Exception e) when (_isStopped)
        {
            // It did not fail, it was cut off: the next run of the engine finds it unended, and what it did stays as it is until then.
            logger.LogInformation("Task {Task} was cut off: {Reason}", entry.Record.Id, e.Message);
        }
        catch (OperationCanceledException) when (context.Cancellation.IsCancellationRequested)
        {
            await TakeBackAsync(entry);
            await EndAsync(entry, TaskState.Cancelled, null, null);
        }
        catch (FaultException e)
        {
            await TakeBackAsync(entry);
            await EndAsync(entry, TaskState.Failed, e.Fault, null);
        }
        catch (Exception e)
        {
            // A bug: it fails its task, loudly, and nothing else.
            logger.LogError(e, "Task {Task} ({Operation}) broke.", entry.Record.Id, entry.Record.Operation);
            await TakeBackAsync(entry);
            await EndAsync(entry, TaskState.Failed, new InternalError(entry.Record.Id), null);
        }
    }

    private async Task TakeBackAsync(TaskEntry entry)
    {
        foreach (var fault in await entry.Context!.Undo.UnwindAsync())
            events.Add(EventSeverity.Warning, "task.undo-failed", $"Taking back {entry.Record.Id} was not complete: {fault.Message}", entry.Record.Target);
    }

    private async Task EndAsync(TaskEntry entry, TaskState state, Fault? fault, EntityId? result)
    {
        if (entry.Concluded is not { } ended)
        {
            var dropped = _book.BeginEnd(entry);
            ended = Ended(entry, state, fault, result);
            try
            {
                // On disk before the machine is free: whoever starts again finds at most one task that holds it.
                await store.CommitAsync([TaskBook.Write(ended), .. dropped]);
            }
            catch (FaultException e)
            {
                // The outcome is true whether or not it could be written; after a restart the task counts as interrupted.
                logger.LogError(e, "The outcome of {Task} could not be stored.", ended.Id);
            }
        }
        else if (fault is not null)
        {
            logger.LogError("Task {Task} has succeeded, and what it did after that failed: {Reason}", ended.Id, fault.Message);
        }

        await _claims.GiveBackAsync(ended);
        _book.End(entry, ended);
        var subject = inventory.Current.Find(ended.Target) is null ? null : (EntityId?)ended.Target;
        events.Add(
            ended.State == TaskState.Failed ? EventSeverity.Error : EventSeverity.Info,
            $"task.{ended.State.ToString().ToLowerInvariant()}",
            $"{ended.Operation} on '{ended.TargetName}' {(ended.Fault is { } why ? $"failed: {why.Message}" : $"{ended.State.ToString().ToLowerInvariant()}.")}",
            subject,
            ended.User);
        feed.Publish([new TaskChanged(ended)]);
        entry.Ended.TrySetResult();
    }

    private TaskRecord Ended(TaskEntry entry, TaskState state, Fault? fault, EntityId? result) => entry.Record with
    {
        State = state,
        Fault = fault,
        Result = result,
        ResultName = result is { } made ? inventory.Current.Find(made)?.Name : null,
        EndedAt = clock.GetUtcNow(),
        Percent = state == TaskState.Succeeded ? 100 : entry.Record.Percent,
        Version = entry.Record.Version + 1,
    };

    // One commit for all: half as long as two, and nobody who starts again finds the one without the other.
    private async Task ConcludeAsync(TaskEntry entry, Func<InventorySnapshot, InventoryEdit> edit, IReadOnlyList<StoreCompanion> companions)
    {
        var ended = Ended(entry, TaskState.Succeeded, null, entry.Record.Result);
        await inventory.ApplyAsync(edit, [new StoreCompanion(TaskBook.Write(ended), TaskBook.Write(entry.Record)), .. companions]);
        entry.Concluded = ended;
        entry.Context!.Undo.Clear();
        store.CommitUnwatched(_book.BeginEnd(entry));
    }

    private void Update(TaskEntry entry, Func<TaskRecord, TaskRecord> change)
    {
        if (_book.Update(entry, change) is { } updated)
            feed.Publish([new TaskChanged(updated)]);
    }
}
