namespace Alveare.Core.Waiting;

/// <summary>Waiting that stays on the scheduler it began on.</summary>
public static class TaskWaits
{
    /// <summary>Waits for a task, or until somebody cancels.</summary>
    /// <remarks>As <c>Task.WaitAsync</c>, which for a task of a <c>TaskCompletionSource</c> that runs its continuations asynchronously hops over
    /// a thread of the pool, where no simulation can decide the order. An awaiting method in between comes back to the scheduler first.</remarks>
    public static Task OrCancelledAsync(this Task task, CancellationToken cancellation) =>
        task.IsCompleted ? task : StayAsync(task).WaitAsync(cancellation);

    private static async Task StayAsync(Task task) => await task;
}
