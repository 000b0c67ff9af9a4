namespace Alveare.Core.Waiting;

/// <summary>What timestamps of a clock say, beside what they say by themselves.</summary>
internal static class Clocks
{
    /// <summary>The timestamp that the clock had so long ago.</summary>
    public static long TimestampBefore(this TimeProvider clock, TimeSpan time) =>
        clock.GetTimestamp() - (long)(time.TotalSeconds * clock.TimestampFrequency);
}
