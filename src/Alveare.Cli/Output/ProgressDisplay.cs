using Alveare.Wire.Rest;
using Spectre.Console;

namespace Alveare.Cli.Output;

/// <summary>Draws one bar per task on a terminal while they run.</summary>
/// <remarks>Spectre.Console is loaded only when something takes long enough to be drawn: it costs a fast command its speed.</remarks>
internal static class ProgressDisplay
{
    /// <param name="work">Runs while the bars are shown, and is given what to call with each new record.</param>
    public static Task RunAsync(TextWriter error, Func<Action<TaskDto>, Task> work)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
        return console.Progress()
            .AutoClear(true)
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                // Narrow: a migration's figures have to fit beside it on 80 columns.
                new ProgressBarColumn { Width = 12 },
                new PercentageColumn())
            .StartAsync(async drawn =>
            {
                var bars = new Dictionary<string, ProgressTask>();
                await work(task =>
                {
                    if (!bars.TryGetValue(task.Id, out var bar))
                        bars[task.Id] = bar = drawn.AddTask(TaskText.Title(task), maxValue: 100);
                    bar.Description = Markup.Escape($"{task.TargetName}  {TaskText.Progress(task)}");
                    bar.IsIndeterminate = task.Percent is null && !task.HasEnded;
                    bar.Value = task.HasEnded ? 100 : task.Percent ?? 0;
                });
            });
    }
}
