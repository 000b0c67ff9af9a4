namespace Alveare.Tests.Core.Balancing;

/// <summary>The real clock, put ahead by as much as a test likes; timers run as they do.</summary>
internal sealed class PushedTime : TimeProvider
{
    private long _ahead;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => System.GetElapsedTime(0).Ticks + Ahead.Ticks;

    private TimeSpan Ahead => new(Interlocked.Read(ref _ahead));

    public void Push(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);
}
