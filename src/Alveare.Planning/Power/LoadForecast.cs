using System.Collections.Immutable;

namespace Alveare.Planning.Power;

/// <summary>What the machines of a cluster asked for in one hour, on average.</summary>
/// <param name="Hour">Hours since 1970, UTC.</param>
public readonly record struct HourLoad(long Hour, double CpuMhz, double MemMb);

/// <summary>What is expected of an hour by the same hour of earlier weeks.</summary>
public static class LoadForecast
{
    public const int Weeks = 4;
    public const int HoursPerWeek = 7 * 24;

    /// <summary>How many hours are kept: a week more than is looked at.</summary>
    private const int Kept = (Weeks + 1) * HoursPerWeek;

    public static long HourOf(DateTimeOffset moment) => (long)Math.Floor((moment - DateTimeOffset.UnixEpoch).TotalHours);

    /// <summary>The load that is expected of an hour; null when no earlier week is known. Of three weeks or more the highest and the lowest are left out,
    /// so that one odd week (a holiday, an outage) neither raises nor lowers it; of the rest it is the mean.</summary>
    public static HourLoad? Of(long hour, IEnumerable<HourLoad> past)
    {
        var same = past.Where(p => p.Hour < hour && hour - p.Hour <= Weeks * HoursPerWeek && (hour - p.Hour) % HoursPerWeek == 0).ToList();
        return same.Count == 0 ? null : new HourLoad(hour, RobustMean(same.Select(p => p.CpuMhz)), RobustMean(same.Select(p => p.MemMb)));
    }

    /// <summary>The most that is expected from a moment on for a while; null when nothing is.</summary>
    public static HourLoad? Between(DateTimeOffset from, TimeSpan ahead, IReadOnlyCollection<HourLoad> past)
    {
        HourLoad? most = null;
        for (var hour = HourOf(from); hour <= HourOf(from + ahead); hour++)
        {
            if (Of(hour, past) is { } expected)
                most = new HourLoad(hour, Math.Max(expected.CpuMhz, most?.CpuMhz ?? 0), Math.Max(expected.MemMb, most?.MemMb ?? 0));
        }

        return most;
    }

    /// <summary>A past with one more hour, in the order in which they were noted; of too many the one that was noted first is left out.</summary>
    /// <remarks>What the hours are called decides nothing: a clock that is wrong for a while, by years and in either direction, costs as many hours as it was wrong
    /// for, and those that it named wrongly go in their turn.</remarks>
    public static ImmutableArray<HourLoad> With(IEnumerable<HourLoad> past, HourLoad hour) =>
        [.. past.Where(p => p.Hour != hour.Hour).TakeLast(Kept - 1), hour];

    private static double RobustMean(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted.Length < 3 ? sorted : sorted[1..^1]).Average();
    }
}
