namespace Alveare.Tests.Core.Machines;

/// <summary>A clock that runs many times faster than the real one, so that a bound of minutes is over in a moment.</summary>
internal sealed class FastTime(int times) : TimeProvider
{
    private readonly DateTimeOffset _began = System.GetUtcNow();
    private readonly long _beganAt = System.GetTimestamp();

    public override DateTimeOffset GetUtcNow() => _began + ((System.GetUtcNow() - _began) * times);

    public override long GetTimestamp() => _beganAt + ((System.GetTimestamp() - _beganAt) * times);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        System.CreateTimer(callback, state, Faster(dueTime), Faster(period));

    private TimeSpan Faster(TimeSpan span) => span < TimeSpan.Zero ? span : span / times;
}
