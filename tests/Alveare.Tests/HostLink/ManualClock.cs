namespace Alveare.Tests.HostLink;

/// <summary>A clock that stands until it is moved; its timers are those of the real clock.</summary>
internal sealed class ManualClock : TimeProvider
{
    private DateTimeOffset _now = DateTimeOffset.UtcNow;

    public void Advance(TimeSpan by) => _now += by;

    public override DateTimeOffset GetUtcNow() => _now;
}
