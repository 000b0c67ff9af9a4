namespace Alveare.Simulation.Scheduling;

/// <summary>A clock that stands still while anything can run, and then jumps to the next timer.</summary>
public sealed class VirtualTime(Scheduler scheduler, Random dice) : TimeProvider
{
    // Timers so close together fire in an order that the seed decides: real clocks promise no more.
    private const long Near = TimeSpan.TicksPerMillisecond;

    private static readonly DateTimeOffset Epoch = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly SortedSet<VirtualTimer> waiting = [];
    private long now;
    private TimeSpan wrong;
    private long created;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>Virtual time since the beginning.</summary>
    public TimeSpan Elapsed => new(now);

    public override DateTimeOffset GetUtcNow() => Epoch + Elapsed + wrong;

    public override long GetTimestamp() => now;

    /// <summary>Somebody sets the date: no time passes by that.</summary>
    public void Set(DateTimeOffset date) => wrong += date - GetUtcNow();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new VirtualTimer(this, callback, state, SynchronizationContext.Current as Realm, created++);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Jumps to a timer and makes it ready to run; false when there is none.</summary>
    internal bool Advance()
    {
        if (waiting.Count == 0)
            return false;
        var near = waiting.Min!.Due + Near;
        var candidates = waiting.TakeWhile(t => t.Due <= near).ToList();
        var next = candidates[dice.Next(candidates.Count)];
        waiting.Remove(next);
        now = Math.Max(now, next.Due);
        next.Fire();
        return true;
    }

    private sealed class VirtualTimer(VirtualTime time, TimerCallback callback, object? state, Realm? realm, long number)
        : ITimer, IComparable<VirtualTimer>
    {
        private TimeSpan period = Timeout.InfiniteTimeSpan;

        public long Due { get; private set; }

        public int CompareTo(VirtualTimer? other) =>
            other is null ? 1 : Due != other.Due ? Due.CompareTo(other.Due) : Number.CompareTo(other.Number);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            time.waiting.Remove(this);
            this.period = period;
            if (dueTime == Timeout.InfiniteTimeSpan)
                return true;
            Due = time.now + Math.Max(0, dueTime.Ticks);
            time.waiting.Add(this);
            return true;
        }

        public void Fire()
        {
            if (period > TimeSpan.Zero)
                Change(period, period);
            if (realm is null)
                throw new SchedulingException("A timer was made outside of every realm.");
            time.Scheduler.Enqueue(new Turn(realm, _ => callback(state), null));
        }

        public void Dispose() => time.waiting.Remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private long Number { get; } = number;
    }

    private Scheduler Scheduler { get; } = scheduler;
}
