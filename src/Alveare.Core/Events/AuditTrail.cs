using Alveare.Model.Events;

namespace Alveare.Core.Events;

/// <summary>The audit's events, up to a number of them. Those of one kind by one user are a series; when there are too many, the longest series loses its oldest, so
/// that nobody pushes out what others did.</summary>
/// <remarks>Of what somebody may try again and again, ten a minute are told one by one and then the 100th, the 1,000th and so on: it costs neither room here nor the
/// readers of the change feed theirs.</remarks>
internal sealed class AuditTrail(int kept, TimeProvider clock)
{
    private const int ToldSingly = 10;
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly Dictionary<(string Kind, string? User), Series> _series = [];
    private int _count;

    /// <summary>All events, those of one series in their order.</summary>
    public IEnumerable<EventRecord> All => _series.Values.SelectMany(s => s.Events);

    /// <summary>Takes an event in, and answers the one that had to go for it.</summary>
    public EventRecord? Add(EventRecord added)
    {
        SeriesOf(added.Kind, added.User).Events.Enqueue(added);
        if (++_count <= kept)
            return null;
        _count--;
        return _series.Values.MaxBy(s => s.Events.Count)!.Events.Dequeue();
    }

    /// <summary>Counts one more attempt; null when it is only counted, else what there is to tell beside it, if anything.</summary>
    public string? CountAttempt(string kind, string? user)
    {
        var series = SeriesOf(kind, user);
        if (series.Attempts == 0 || clock.GetElapsedTime(series.Began) >= Window)
            (series.Attempts, series.Began) = (0, clock.GetTimestamp());
        var count = ++series.Attempts;
        if (count < ToldSingly)
            return "";
        return IsPowerOfTen(count) ? $" That is the {count}th such within a minute; the next that is told of is the {count * 10}th." : null;
    }

    private Series SeriesOf(string kind, string? user)
    {
        if (!_series.TryGetValue((kind, user), out var series))
            _series.Add((kind, user), series = new Series());
        return series;
    }

    private static bool IsPowerOfTen(long number)
    {
        while (number % 10 == 0)
            number /= 10;
        return number == 1;
    }

    private sealed class Series
    {
        public Queue<EventRecord> Events { get; } = [];

        /// <summary>Those since <see cref="Began"/>, told of or not.</summary>
        public long Attempts { get; set; }

        public long Began { get; set; }
    }
}
