using System.CommandLine;
using System.Text.Json;
using Alveare.Cli.Client;
using Alveare.Cli.Output;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Running;

/// <summary>Waits for tasks, shows how far they are, and says how they ended.</summary>
public sealed class TaskFollower
{
    // What ends within this is not worth a progress bar, and the submission itself waits for it.
    private int _quick = 1;

    public Option<bool> NoWait { get; } = new("--no-wait") { Description = "Do not wait for the end: print the task and go" };

    public Option<bool> CancelOnInterrupt { get; } = new("--cancel-on-interrupt") { Description = "Ctrl-C cancels the task too, instead of only the waiting" };

    public IEnumerable<Option> Options => [NoWait, CancelOnInterrupt];

    /// <summary>Seconds to give to a submission.</summary>
    public int WaitOf(Run run) => run.Value(NoWait) ? 0 : _quick;

    /// <summary>Lets the submission itself wait for the end, as long as a request may.</summary>
    public void WaitInSubmission() => _quick = RestClient.LongestWait;

    /// <summary>Follows tasks that were accepted until all have ended, unless the command line says not to.</summary>
    /// <param name="isList">Several were asked for, whatever became of them.</param>
    /// <param name="afterwards">Called with each task that succeeded.</param>
    public async Task<int> FollowAsync(Run run, IReadOnlyList<JsonElement> accepted, bool isList, Func<Run, TaskDto, Task>? afterwards = null)
    {
        var records = accepted.ToDictionary(r => r.GetProperty("id").GetString()!);
        if (!run.Value(NoWait) && records.Values.Any(r => !RestClient.As<TaskDto>(r).HasEnded))
        {
            try
            {
                await WaitForAllAsync(run, records);
            }
            catch (Exception e) when (e is (OperationCanceledException or NotReachableException) && run.Interrupted.IsCancellationRequested)
            {
                await LeaveAsync(run, records, isList, cancels: run.Value(CancelOnInterrupt));
                return ExitCode.Interrupted;
            }
            catch (Exception e) when (e is RestFaultException or NotReachableException)
            {
                // The tasks go on without us, and their ids are all that leads back to them.
                await LeaveAsync(run, records, isList, cancels: false);
                return await run.SayAsync(e);
            }
        }

        var code = Say(run, records.Values, isList);
        foreach (var task in afterwards is null ? [] : records.Values.Select(RestClient.As<TaskDto>).Where(t => t.State == "succeeded"))
            await afterwards!(run, task);
        return code;
    }

    private static async Task WaitForAllAsync(Run run, Dictionary<string, JsonElement> records)
    {
        var waiting = records.Where(r => !RestClient.As<TaskDto>(r.Value).HasEnded).Select(r => r.Key).ToList();
        if (run.Environment.IsWatched && !run.IsJson)
            await ProgressDisplay.RunAsync(run.Environment.Error, shown => Task.WhenAll(waiting.Select(id => WaitAsync(run, id, records, shown))));
        else
            await Task.WhenAll(waiting.Select(id => WaitAsync(run, id, records, _ => { })));
    }

    private static async Task WaitAsync(Run run, string id, Dictionary<string, JsonElement> records, Action<TaskDto> show)
    {
        JsonElement record;
        lock (records)
            record = records[id];
        while (true)
        {
            var task = RestClient.As<TaskDto>(record);
            show(task);
            if (task.HasEnded)
                return;
            record = await run.AskAsync(c => c.WaitAsync(id, 1, run.Interrupted));
            lock (records)
                records[id] = record;
        }
    }

    // The token of this run is used up: what is said to the center now has one of its own, and little time.
    private static async Task LeaveAsync(Run run, Dictionary<string, JsonElement> records, bool isList, bool cancels)
    {
        WriteJson(run, records.Values, isList);
        foreach (var task in records.Values.Select(RestClient.As<TaskDto>))
        {
            if (task.HasEnded)
            {
                SayOutcome(run, task);
                continue;
            }

            if (!cancels)
            {
                await run.Environment.Error.WriteLineAsync($"{TaskText.Title(task)} runs on as {task.Id}; 'alveare task wait {task.Id}' waits for it.");
                continue;
            }

            using var soon = new CancellationTokenSource(run.Environment.ClosingTime);
            try
            {
                await run.Open().CancelAsync(task.Id, soon.Token);
                await run.Environment.Error.WriteLineAsync($"{TaskText.Title(task)} ({task.Id}) was asked to stop.");
            }
            catch (Exception e) when (e is RestFaultException or NotReachableException or OperationCanceledException)
            {
                await run.Environment.Error.WriteLineAsync($"{TaskText.Title(task)} runs on as {task.Id}: {e.Message}");
            }
        }
    }

    private static int Say(Run run, IReadOnlyCollection<JsonElement> records, bool isList)
    {
        WriteJson(run, records, isList);
        var tasks = records.Select(RestClient.As<TaskDto>).ToList();
        foreach (var task in tasks)
            SayOutcome(run, task);
        return tasks.Any(IsBad) ? ExitCode.Fault : ExitCode.Done;
    }

    private static void WriteJson(Run run, IReadOnlyCollection<JsonElement> records, bool isList)
    {
        if (run.IsJson && isList)
            run.WriteList<TaskDto>([.. records]);
        else if (run.IsJson && records.Count > 0)
            run.WriteRecord(records.First());
    }

    private static void SayOutcome(Run run, TaskDto task)
    {
        if (!run.IsJson || IsBad(task))
            (IsBad(task) ? run.Environment.Error : run.Environment.Out).WriteLine(TaskText.Outcome(task));
    }

    private static bool IsBad(TaskDto task) => task.State is "failed" or "cancelled";
}
