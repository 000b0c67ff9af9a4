namespace Alveare.Tests.Core.Balancing;

/// <summary>The real clock, put ahead by as much as a test likes, and set as somebody sets a wrong one; timers run as they do.</summary>
internal sealed class PushedTime : TimeProvider
{
    private long _ahead;
    private long _wrong;

    /// <summary>Timers of so long and longer stand: what the engine does by itself at that interval it does not.</summary>
    public TimeSpan HeldFrom { get; init; } = TimeSpan.MaxValue;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(callback, state, dueTime < HeldFrom ? dueTime : Timeout.InfiniteTimeSpan, period);

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead + new TimeSpan(Interlocked.Read(ref _wrong));

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => System.GetElapsedTime(0).Ticks + Ahead.Ticks;

    private TimeSpan Ahead => new(Interlocked.Read(ref _ahead));

    /// <summary>Time passes.</summary>
    public void Push(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);

    /// <summary>The date alone is another: no time passes.</summary>
    public void Set(DateTimeOffset now) => Interlocked.Add(ref _wrong, (now - GetUtcNow()).Ticks);
}
