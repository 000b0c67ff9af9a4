using Alveare.Bench.Report;

namespace Alveare.Bench.Scale;

/// <summary>Watches this process's garbage collections for the longest pause: which collection made it, and when.</summary>
internal sealed class PauseWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _end = new();
    private readonly Task _watching;
    private (TimeSpan Time, TimeSpan At, string What) _longest;

    public PauseWatch() => _watching = WatchAsync();

    /// <summary>The longest pause in words.</summary>
    public string Longest => Line.Text($"{_longest.Time.TotalMilliseconds:0} ms after {_longest.At.TotalSeconds:0} s ({_longest.What})");

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _watching;
        _end.Dispose();
    }

    private async Task WatchAsync()
    {
        var (began, seen) = (TimeProvider.System.GetTimestamp(), 0L);
        using var timer = new PeriodicTimer(Interval);
        try
        {
            while (await timer.WaitForNextTickAsync(_end.Token))
            {
                foreach (var kind in (GCKind[])[GCKind.Ephemeral, GCKind.FullBlocking, GCKind.Background])
                {
                    var info = GC.GetGCMemoryInfo(kind);
                    var pause = info.PauseDurations.ToArray().Max();
                    if (info.Index > seen && pause > _longest.Time)
                        _longest = (pause, TimeProvider.System.GetElapsedTime(began), $"generation {info.Generation}, {kind}");
                }

                seen = Math.Max(seen, GC.GetGCMemoryInfo(GCKind.Any).Index - 1);
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody looks any more.
        }
    }
}
