namespace Alveare.Core.Waiting;

/// <summary>What timestamps of a clock say, beside what they say by themselves.</summary>
internal static class Clocks
{
    /// <summary>The timestamp that the clock had so long ago.</summary>
    public static long TimestampBefore(this TimeProvider clock, TimeSpan time) =>
        clock.GetTimestamp() - (long)(time.TotalSeconds * clock.TimestampFrequency);

    /// <summary>The timestamp of a date that was stored, by the date that it is now: at most so long ago, and of a date that is to come now.</summary>
    public static long TimestampOf(this TimeProvider clock, DateTimeOffset date, TimeSpan longest)
    {
        var ago = clock.GetUtcNow() - date;
        return clock.TimestampBefore(ago < TimeSpan.Zero ? TimeSpan.Zero : ago < longest ? ago : longest);
    }
}
