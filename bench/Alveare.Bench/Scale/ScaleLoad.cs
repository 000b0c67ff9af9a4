using System.Diagnostics;
using System.Text.Json;
using Alveare.Bench.Report;
using Alveare.Cli.Client;
using Alveare.Wire.Rest;

namespace Alveare.Bench.Scale;

/// <summary>What the clients of a large site saw.</summary>
/// <param name="Requests">Every request but waiting for tasks, milliseconds.</param>
/// <param name="Tasks">From an operation's request to its end, milliseconds.</param>
/// <param name="Lost">Operations that were accepted and of whose end nobody was told.</param>
/// <param name="Failed">Operations that were refused or failed.</param>
/// <param name="FirstFailure">Why the first of them did.</param>
/// <param name="Repeated">How often an operation met another task of its machine, such as a move of balancing, and was submitted again.</param>
/// <param name="Changes">Changes that all readers of the event stream were told of together.</param>
/// <param name="SilentReaders">Readers that were told of none.</param>
/// <param name="Slowest">The slowest request of each second that had a slow one, slowest first, and when it began.</param>
internal sealed record ScaleOutcome(
    Percentiles Requests, Percentiles Tasks, int Submitted, int Lost, int Failed, string? FirstFailure, int Repeated, long Changes, int SilentReaders, IReadOnlyList<string> Slowest);

/// <summary>The load on a large site, in a process of its own so that its work is not the center's: operations at a steady rate, people who look
/// at things, and readers of the event stream.</summary>
internal static class ScaleLoad
{
    public const string Word = "scale-load";

    private const int OperationsPerSecond = 50;
    private const int LooksPerSecond = 20;
    private const int Readers = 200;

    // Two seconds' operations, and one more: a machine that was powered off is the next but one in the order of four.
    private const int OnAfter = (2 * OperationsPerSecond) + 1;

    private static readonly TimeSpan TaskPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(200);

    /// <summary>Runs the load from another process of this program, and answers what it saw.</summary>
    public static async Task<ScaleOutcome> RunElsewhereAsync(Uri url, TimeSpan time)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [Word, url.ToString(), Line.Text($"{time.TotalSeconds:0}")]) { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return JsonSerializer.Deserialize<ScaleOutcome>(said) ?? throw new InvalidOperationException("The load said nothing.");
    }

    /// <summary>The other process's whole work.</summary>
    public static async Task RunAsync(Uri url, TimeSpan time)
    {
        using var client = new RestClient(url);
        await client.LogInAsync(ScaleSite.User, ScaleSite.Password, CancellationToken.None);
        var machines = (await client.ListAsync<VmDto>("vms", CancellationToken.None)).Select(v => v.Id).ToArray();
        using var end = new CancellationTokenSource(time);
        var (requests, tasks) = (new Requests(), new Series());
        var counts = new Counts();
        var told = new long[Readers];
        var readers = Enumerable.Range(0, Readers).Select(n => ReadAsync(url, client.Token!, n, told, end.Token)).ToList();
        var looking = AtRateAsync(LooksPerSecond, n => LookAsync(client, machines, n, requests), end.Token);
        await AtRateAsync(OperationsPerSecond, n => OperateAsync(client, machines, n, requests, tasks, counts), end.Token);
        await looking;
        await Task.WhenAll(readers);
        Console.WriteLine(JsonSerializer.Serialize(new ScaleOutcome(
            requests.Times.Percentiles(), tasks.Percentiles(), counts.Submitted, counts.Lost, counts.Failed, counts.FirstFailure, counts.Repeated, told.Sum(), told.Count(t => t == 0), requests.Slowest())));
    }

    // Every fourth is reset, every fourth moved, every fourth powered off, and two seconds later on again: no two operations meet on one.
    private static (string Operation, int Machine) WorkOf(int number) => (number % 4) switch
    {
        0 => ("vm.reset", number),
        1 => ("vm.migrate", number),
        2 => ("vm.power-off", number),
        _ when number > OnAfter => ("vm.power-on", number - OnAfter),
        _ => ("vm.reset", number),
    };

    private static async Task OperateAsync(RestClient client, string[] machines, int number, Requests requests, Series tasks, Counts counts)
    {
        var (operation, chosen) = WorkOf(number);
        var machine = machines[chosen % machines.Length];
        var began = Stopwatch.GetTimestamp();
        Interlocked.Increment(ref counts.Submitted);
        try
        {
            using var patience = new CancellationTokenSource(TaskPatience);
            var task = await SubmitAsync(client, operation, machine, requests, counts, patience.Token);
            while (!task.HasEnded)
                task = RestClient.As<TaskDto>(await client.WaitAsync(task.Id, 30, patience.Token));
            tasks.Add(Stopwatch.GetElapsedTime(began));
            if (task.State != "succeeded")
                counts.Fail($"{operation} {task.State}: {task.Fault?.Message}");
        }
        catch (RestFaultException e)
        {
            counts.Fail($"{operation} refused: {e.Message}");
        }
        catch (OperationCanceledException)
        {
            Interlocked.Increment(ref counts.Lost);
        }
    }

    // Balancing moves machines too, and a machine has one task at a time.
    private static async Task<TaskDto> SubmitAsync(RestClient client, string operation, string machine, Requests requests, Counts counts, CancellationToken patience)
    {
        while (true)
        {
            var began = Stopwatch.GetTimestamp();
            try
            {
                var task = RestClient.As<TaskDto>(await client.SubmitAsync(operation, machine, [], 0, patience));
                requests.Add(operation, began);
                return task;
            }
            catch (RestFaultException e) when (e.Problem.Code == "ObjectInUse")
            {
                requests.Add(operation, began);
                Interlocked.Increment(ref counts.Repeated);
                await Task.Delay(Again, patience);
            }
        }
    }

    private static async Task LookAsync(RestClient client, string[] machines, int number, Requests requests)
    {
        var path = (number % 4) switch
        {
            0 => $"vms/{machines[number * 7919 % machines.Length]}",
            1 => $"vms/{machines[number * 7919 % machines.Length]}/statistics",
            2 => "tasks?limit=50",
            _ => "clusters",
        };
        var began = Stopwatch.GetTimestamp();
        await client.GetAsync<JsonElement>(path, CancellationToken.None);
        requests.Add(path.StartsWith("vms/", StringComparison.Ordinal) ? "a machine" : path, began);
    }

    // Counts the changes and looks no further: understanding them would cost this machine more than sending them.
    private static async Task ReadAsync(Uri url, string token, int number, long[] told, CancellationToken end)
    {
        using var client = new RestClient(url) { Token = token };
        var piece = new byte[64 * 1024];
        try
        {
            await using var stream = await client.OpenAsync("stream", end);
            while (await stream.ReadAsync(piece, end) is > 0 and var count)
                told[number] += piece.AsSpan(0, count).Count("data: "u8);
        }
        catch (OperationCanceledException)
        {
            // The time is over.
        }
    }

    private sealed class Counts
    {
        public int Submitted;
        public int Lost;
        public int Failed;
        public int Repeated;
        public string? FirstFailure;

        public void Fail(string why)
        {
            Interlocked.Increment(ref Failed);
            Interlocked.CompareExchange(ref FirstFailure, why, null);
        }
    }

    /// <summary>How long requests took, and which were the slowest.</summary>
    private sealed class Requests
    {
        private const int Shown = 10;

        private readonly long _since = Stopwatch.GetTimestamp();
        private readonly Dictionary<int, (TimeSpan Took, string What)> _slowest = [];

        public Series Times { get; } = new();

        /// <param name="began">Of the stopwatch; it ends now.</param>
        public void Add(string what, long began)
        {
            var took = Stopwatch.GetElapsedTime(began);
            Times.Add(took);
            var second = (int)Stopwatch.GetElapsedTime(_since, began).TotalSeconds;
            lock (_slowest)
            {
                if (!_slowest.TryGetValue(second, out var slowest) || took > slowest.Took)
                    _slowest[second] = (took, what);
            }
        }

        public IReadOnlyList<string> Slowest() =>
        [
            .. _slowest.OrderByDescending(s => s.Value.Took).Take(Shown).Select(s => Line.Text($"{s.Value.Took.TotalMilliseconds:0} ms at {s.Key} s ({s.Value.What})")),
        ];
    }

    /// <summary>Begins work at a steady rate, without waiting for it, until the end; then waits for all of it.</summary>
    private static async Task AtRateAsync(int perSecond, Func<int, Task> work, CancellationToken end)
    {
        var running = new List<Task>();
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1) / perSecond);
        try
        {
            for (var number = 0; await timer.WaitForNextTickAsync(end); number++)
                running.Add(work(number));
        }
        catch (OperationCanceledException)
        {
            // The time is over.
        }

        await Task.WhenAll(running);
    }
}
