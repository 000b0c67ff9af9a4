using Alveare.Api.Routing;
using Alveare.Model.Tasks;
using Alveare.Wire.Rest;

namespace Alveare.Api.Resources;

/// <summary>Tasks: listing, waiting, cancelling.</summary>
internal static class TaskRoutes
{
    private const string Tag = "Tasks";
    private const int DefaultLimit = 200;
    private const int LongestWait = 300;

    /// <summary>Also of the operations: how long to wait for the task's end.</summary>
    public static readonly QueryParameter Wait =
        new("wait", "integer", $"Wait up to this many seconds (at most {LongestWait}) for the task to end, and answer what it is then.");

    public static IEnumerable<ApiRoute> All =>
    [
        new("GET", "tasks", Tag, "List tasks, newest first.", ListAsync)
        {
            Id = "listTasks",
            Answer = typeof(Listing<TaskRecord>),
            Query =
            [
                new("state", "string", "Only tasks in this state: queued, running, succeeded, failed or cancelled."),
                new("active", "boolean", "Only tasks that have not ended, or only those that have."),
                new("operation", "string", "Only tasks of this operation, such as vm.power-on."),
                new("target", "string", "Only tasks on this object (an id)."),
                new("user", "string", "Only tasks of this user."),
                new("limit", "integer", $"The most items to list; {DefaultLimit} by default."),
            ],
        },
        new("GET", "tasks/{id}", Tag, "One task.", GetAsync) { Id = "getTask", Answer = typeof(TaskRecord), Query = [Wait] },
        new("POST", "tasks/{id}:cancel", Tag, "Ask a task to stop.", CancelAsync) { Id = "cancelTask", Answer = typeof(TaskRecord) },
    ];

    /// <summary>How long the caller wants to wait; asked before anything is done, since it may be refused.</summary>
    public static TimeSpan WaitOf(ApiCall call) => TimeSpan.FromSeconds(call.QueryNumber(Wait.Name, 0, LongestWait) ?? 0);

    /// <summary>The record when the task has ended or the wait is over.</summary>
    public static async Task<TaskRecord> WaitedAsync(ApiCall call, TaskRecord task, TimeSpan wait)
    {
        if (wait == TimeSpan.Zero || task.HasEnded)
            return task;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(call.Aborted);
        patience.CancelAfter(wait);
        try
        {
            return await call.Engine.Tasks.WaitAsync(task.Id, patience.Token);
        }
        catch (OperationCanceledException) when (!call.Aborted.IsCancellationRequested)
        {
            return call.Engine.Tasks.Get(task.Id);
        }
    }

    private static Task ListAsync(ApiCall call)
    {
        call.RequireView();
        var limit = call.QueryNumber("limit", 1, int.MaxValue) ?? DefaultLimit;
        var position = ChangeStream.PositionOf(call.Engine.Feed);
        IEnumerable<TaskRecord> tasks = call.Engine.Tasks.List();
        if (call.QueryChoice<TaskState>("state") is { } state)
            tasks = tasks.Where(t => t.State == state);
        if (call.QueryFlag("active") is { } active)
            tasks = tasks.Where(t => t.HasEnded != active);
        if (call.QueryText("operation") is { } operation)
            tasks = tasks.Where(t => t.Operation == operation);
        if (call.QueryId("target") is { } target)
            tasks = tasks.Where(t => t.Target == target);
        if (call.QueryText("user") is { } user)
            tasks = tasks.Where(t => t.User == user);
        var found = tasks.ToList();
        return call.AnswerAsync(new Listing<TaskRecord>(found.Count > limit ? found[..limit] : found, found.Count, position));
    }

    private static async Task GetAsync(ApiCall call)
    {
        call.RequireView();
        var wait = WaitOf(call);
        await call.AnswerAsync(await WaitedAsync(call, call.Engine.Tasks.Get(call.RouteText("id")), wait));
    }

    private static Task CancelAsync(ApiCall call) => call.AnswerAsync(call.Engine.Tasks.Cancel(call.Session, call.RouteText("id")));
}
