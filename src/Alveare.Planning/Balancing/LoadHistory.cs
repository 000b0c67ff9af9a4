namespace Alveare.Planning.Balancing;

/// <summary>One measured load and how long ago that was.</summary>
public readonly record struct LoadPoint(double Load, TimeSpan Age);

/// <summary>What the past of a load says of its future.</summary>
public static class LoadHistory
{
    /// <summary>Two halves of a time are alike when their means differ by at most so much of the greater one.</summary>
    private const double Alike = 0.25;

    /// <summary>The least that is halved, so that a load that swings from sample to sample is seen as its mean.</summary>
    private const int Fewest = 8;

    /// <summary>As many of the newest times between two samples say what is usual.</summary>
    private const int GapsLookedAt = 10;

    private static readonly TimeSpan UsualSpacing = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan LeastStale = TimeSpan.FromSeconds(10);

    /// <summary>How long the load has been what it is now: the longest time back whose two halves are alike. A load that has lasted so long is
    /// expected to last as long again, so a spike of a moment ago counts for a moment, and a wave that swings fast counts as its mean.</summary>
    /// <param name="points">Newest first.</param>
    /// <param name="noise">A difference that means nothing, in the unit of the load.</param>
    public static TimeSpan SteadyFor(ReadOnlySpan<LoadPoint> points, double noise)
    {
        var steady = TimeSpan.Zero;
        for (var count = Math.Min(Fewest, points.Length); count >= 2 && count <= points.Length; count = Next(count, points.Length))
        {
            var (newer, older) = (Mean(points[..(count / 2)]), Mean(points[(count / 2)..count]));
            if (Math.Abs(newer - older) > Math.Max(Alike * Math.Max(newer, older), noise))
                break;
            steady = points[count - 1].Age;
        }

        return steady;
    }

    /// <summary>Whether the newest sample says nothing of now any more, or there is none: it is older than three times the usual time between two.</summary>
    /// <param name="ages">Newest first.</param>
    public static bool IsStale(ReadOnlySpan<TimeSpan> ages) => ages.IsEmpty || ages[0] > StaleAfter(ages);

    private static TimeSpan StaleAfter(ReadOnlySpan<TimeSpan> ages)
    {
        Span<TimeSpan> gaps = stackalloc TimeSpan[Math.Clamp(ages.Length - 1, 0, GapsLookedAt)];
        for (var n = 0; n < gaps.Length; n++)
            gaps[n] = ages[n + 1] - ages[n];
        gaps.Sort();
        var after = 3 * (gaps.IsEmpty ? UsualSpacing : gaps[gaps.Length / 2]);
        return after > LeastStale ? after : LeastStale;
    }

    private static int Next(int count, int most) => count == most ? most + 1 : Math.Min(2 * count, most);

    private static double Mean(ReadOnlySpan<LoadPoint> points)
    {
        var sum = 0.0;
        foreach (var point in points)
            sum += point.Load;
        return sum / points.Length;
    }
}
