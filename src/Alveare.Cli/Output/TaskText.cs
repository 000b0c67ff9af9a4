using Alveare.Wire.Rest;

namespace Alveare.Cli.Output;

/// <summary>A task in one line.</summary>
public static class TaskText
{
    /// <summary>What it does right now, with the figures of a migration.</summary>
    public static string Progress(TaskDto task)
    {
        if (task.State == "queued")
            return "waits for a place";
        return task.Migration is { } m
            ? $"{m.Phase} {Amounts.Rate(m.BytesPerSecond)}, {Amounts.Size(m.Remaining)} left, dirty {Amounts.Rate(m.DirtyBytesPerSecond)}"
            : task.Step ?? "";
    }

    /// <summary>How it ended.</summary>
    public static string Outcome(TaskDto task)
    {
        var took = task.EndedAt is { } end ? $" in {Amounts.Duration(end - (task.StartedAt ?? task.QueuedAt))}" : "";
        return task.State switch
        {
            "succeeded" when task.Figures is { } f =>
                $"{Title(task)}: succeeded{took}{Result(task)}; guest paused {Amounts.Duration(f.Pause)}, {Amounts.Size(f.Transferred)} sent",
            "succeeded" => $"{Title(task)}: succeeded{took}{Result(task)}",
            "failed" => $"{Title(task)}: failed: {task.Fault?.Message}",
            _ => $"{Title(task)}: {task.State}{(task.HasEnded ? took : $" ({task.Id})")}",
        };
    }

    private static string Result(TaskDto task) => task switch
    {
        // It made nothing: what it did is its last step.
        { Operation: "cluster.apply-recommendations", Step: { } step } => $"; {step}",
        { ResultName: null } or { Result: null } => "",
        _ when task.Result == task.Target => "",
        _ when task.Result.StartsWith("host-", StringComparison.Ordinal) && task.Operation.StartsWith("vm.", StringComparison.Ordinal) => $"; on host {task.ResultName}",
        _ when task.Operation == "vm.clone" || task.Operation.Contains(".create-", StringComparison.Ordinal) => $"; made {task.ResultName} ({task.Result})",
        _ => $"; {task.ResultName} ({task.Result})",
    };

    public static string Title(TaskDto task) => $"{task.Operation} {(task.TargetName.Length == 0 ? "site" : task.TargetName)}";
}
