using Alveare.Model.Faults;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;

namespace Alveare.Core.Tasks;

/// <summary>Operations that a task has others do, each as a task of its own with its own progress and outcome.</summary>
internal static class ChildTasks
{
    /// <summary>Runs an operation as a task in the name of this one's user, which is cancelled with this one; answers how it ended.</summary>
    public static async Task<TaskRecord> RunAsync(this TaskEngine tasks, Operation operation, string? reason, TaskContext context) =>
        await tasks.WaitWithinAsync(await tasks.SubmitAsync(context.Session, operation, reason), context);

    /// <summary>As <see cref="RunAsync"/>; answers why it did not succeed, or was not even accepted, as a clause; null when it did.</summary>
    public static async Task<string?> WhyNotAsync(this TaskEngine tasks, Operation operation, string? reason, TaskContext context)
    {
        try
        {
            var ended = await tasks.RunAsync(operation, reason, context);
            return ended.State == TaskState.Succeeded ? null : ended.Fault?.Message.TrimEnd('.') ?? "it was cancelled";
        }
        catch (FaultException e)
        {
            return e.Fault.Message.TrimEnd('.');
        }
    }

    /// <summary>Waits for a task to end, and cancels it when this one is cancelled.</summary>
    public static async Task<TaskRecord> WaitWithinAsync(this TaskEngine tasks, TaskRecord task, TaskContext context)
    {
        using var cancelling = context.Cancellation.Register(() => tasks.TryCancel(task, context));
        return await tasks.WaitAsync(task.Id, CancellationToken.None);
    }

    /// <summary>Asks a task to stop, if it still can.</summary>
    public static void TryCancel(this TaskEngine tasks, TaskRecord task, TaskContext context)
    {
        try
        {
            tasks.Cancel(context.Session, task.Id);
        }
        catch (FaultException)
        {
            // It has ended, or is past the point at which it can be.
        }
    }
}
