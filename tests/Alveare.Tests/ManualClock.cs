namespace Alveare.Tests;

/// <summary>A clock that stands until it is moved; its timers are those of the real clock.</summary>
internal sealed class ManualClock : TimeProvider
{
    private DateTimeOffset _now = DateTimeOffset.UtcNow;
    private TimeSpan _elapsed;

    public override DateTimeOffset GetUtcNow() => _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _elapsed.Ticks;

    /// <summary>Time passes.</summary>
    public void Advance(TimeSpan by)
    {
        _elapsed += by;
        _now += by;
    }

    /// <summary>Somebody sets the date: no time passes by that.</summary>
    public void Set(DateTimeOffset date) => _now = date;
}
