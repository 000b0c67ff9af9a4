using System.Diagnostics;
using Alveare.Bench.Report;

namespace Alveare.Bench.Scale;

/// <summary>Watches this process's garbage collections for the longest pause: which collection made it, and when.</summary>
internal sealed class PauseWatch : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource _end = new();
    private readonly Task _watching;

    // Of each kind the newest one that was looked at; those before the watch are nobody's concern here.
    private readonly Dictionary<GCKind, long> _seen = new[] { GCKind.Ephemeral, GCKind.FullBlocking, GCKind.Background }.ToDictionary(k => k, k => GC.GetGCMemoryInfo(k).Index);
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
        var began = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(Interval);
        try
        {
            while (await timer.WaitForNextTickAsync(_end.Token))
            {
                foreach (var (kind, seen) in _seen.ToList())
                {
                    var info = GC.GetGCMemoryInfo(kind);
                    var pause = info.PauseDurations.ToArray().Max();
                    if (info.Index > seen && pause > _longest.Time)
                        _longest = (pause, Stopwatch.GetElapsedTime(began), $"generation {info.Generation}, {kind}");
                    _seen[kind] = info.Index;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody looks any more.
        }
    }
}
