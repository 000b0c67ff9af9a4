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
                $"{Title(task)}: succeeded{took}; guest paused {Amounts.Duration(f.Pause)}, {Amounts.Size(f.Transferred)} sent",
            "succeeded" when task is { ResultName: { } name, Result: { } id } && id != task.Target =>
                id.StartsWith("host-", StringComparison.Ordinal) && task.Operation.StartsWith("vm.", StringComparison.Ordinal)
                    ? $"{Title(task)}: succeeded{took}; on host {name}"
                    : $"{Title(task)}: succeeded{took}; made {name} ({id})",
            "failed" => $"{Title(task)}: failed: {task.Fault?.Message}",
            _ => $"{Title(task)}: {task.State}{(task.HasEnded ? took : $" ({task.Id})")}",
        };
    }

    public static string Title(TaskDto task) => $"{task.Operation} {(task.TargetName.Length == 0 ? "site" : task.TargetName)}";
}
