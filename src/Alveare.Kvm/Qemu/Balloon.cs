using System.Text.Json;
using Alveare.Kvm.Qmp;
using Alveare.Model;

namespace Alveare.Kvm.Qemu;

/// <summary>What is known of a guest's memory through its balloon.</summary>
/// <param name="Ballooned">What the guest has given back.</param>
/// <param name="InUse">What it cannot give back at once; null while its driver says nothing.</param>
public sealed record BalloonState(Bytes Memory, Bytes Ballooned, Bytes? InUse)
{
    public Bytes Has => Memory - Ballooned;

    /// <summary>What of a process's memory the guest uses: all, where it says nothing.</summary>
    public static Bytes Active(Bytes consumed, BalloonState? state) => state?.InUse is { } used && used < consumed ? used : consumed;
}

/// <summary>The balloon of one QEMU: what its guest says of its own memory, and asking it to give some back.</summary>
/// <remarks>QEMU keeps how far the balloon is blown up and how far it is to be, also in a migration: an agent that comes to it asks, and from then on hears of
/// each change by an event (BALLOON_CHANGE, at most one a second). In use is what the guest has without what it calls available (free, or cache that it can
/// drop). That is more than it touches in an interval, since memory a program has and does not use counts too. The kernel's own record of touched pages
/// would be nearer, but idle page tracking is not in every kernel, and clearing accessed bits costs a walk through the page tables of every machine.</remarks>
public sealed class Balloon(QmpConnection qmp)
{
    private const string Device = "/machine/peripheral/balloon";

    // A QEMU whose main loop waits for its storage answers late: nobody waits for it, and it is not asked again before it has answered.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    // A guest takes memory back faster than it gives it: the largest does it in seconds.
    private static readonly TimeSpan TakingBack = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);

    private readonly Lock sync = new();
    private BalloonState? state;
    private Task asked = Task.CompletedTask;
    private TimeSpan polling = TimeSpan.MaxValue;
    private int changes;
    private (long At, int Changes) heard;
    private int changesAtLastSight;
    private bool isRenewing;

    /// <summary>Null until QEMU has been asked.</summary>
    public BalloonState? State
    {
        get
        {
            lock (sync)
                return state;
        }
    }

    /// <summary>True of a guest that has just arrived with a balloon: what it can do without it will say.</summary>
    public bool IsAwaited { get; private set; }

    /// <summary>The most that the process has been seen to take beside its guest's memory.</summary>
    public Bytes Overhead { get; private set; }

    /// <summary>Takes note of what the process takes: what is more than the guest can have is overhead.</summary>
    public void See(Bytes taken)
    {
        lock (sync)
        {
            // While the balloon moves, the two figures are of different moments.
            var isStill = changes == changesAtLastSight;
            changesAtLastSight = changes;
            if (isStill && !IsAwaited && state is { } known && taken.Value - known.Has.Value is var beside && beside > Overhead.Value)
                Overhead = new Bytes(beside);
        }
    }

    /// <summary>Hears what QEMU says by itself.</summary>
    public void OnEvent(QmpEvent happened)
    {
        lock (sync)
        {
            switch (happened.Name)
            {
                case "BALLOON_CHANGE" when happened.Number("actual") is { } actual && state is not null:
                    state = state with { Ballooned = BalloonedOf(state.Memory, actual) };
                    changes++;
                    break;
                case "RESET" when state is not null:
                    // The guest that begins has all its memory, and no driver yet. QEMU goes on saying what the last one had given back.
                    state = state with { Ballooned = Bytes.Zero, InUse = null };
                    IsAwaited = false;
                    changes++;
                    break;
                case "RESUME" or QmpConnection.Reconnected:
                    // A guest that has arrived from another host brings its balloon along, of which there is no event. And an event may have been lost.
                    state = null;
                    changes++;
                    break;
            }
        }
    }

    /// <summary>Asks QEMU for the last that the guest said, and has it ask the guest at intervals no longer than this. What is not answered in time stays as it was.</summary>
    /// <exception cref="QmpException">QEMU refused.</exception>
    /// <exception cref="QmpClosedException">QEMU is gone, or hangs.</exception>
    /// <exception cref="TimeoutException">It did not answer in time.</exception>
    public Task ReadAsync(TimeSpan interval)
    {
        lock (sync)
        {
            if (asked.IsCompleted)
                asked = AskAsync(interval);
            return asked.WaitAsync(Patience);
        }
    }

    /// <summary>Asks the guest to keep so much of its memory. Whether it does, events will tell.</summary>
    public async Task SetAsync(Bytes target)
    {
        try
        {
            await qmp.ExecuteAsync("balloon", new { value = target.Value });
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            // It ends, or hangs: where the target is still another one, it is asked again.
        }
    }

    /// <summary>Leaves the balloon as it is, also where it is on its way to be another.</summary>
    /// <remarks>While memory is copied: what a guest gives back of what has been sent its destination would keep, because giving back is no change of content.</remarks>
    public async Task StopAsync()
    {
        try
        {
            await qmp.ExecuteAsync("balloon", new { value = await ReadActualAsync() });
        }
        catch (QmpException)
        {
            // No balloon, nothing that moves.
        }
    }

    /// <summary>Has a guest that has arrived from another host take back what it had given back there, and give as much back here.</summary>
    /// <remarks>Its memory comes page by page, and for the first of each 2 MiB the kernel gives QEMU a huge page: what the guest had given back between the pages
    /// that came is then taken by the process here, for nothing, until it is given back once more.</remarks>
    /// <param name="after">When to begin; that it is to be done counts from now on.</param>
    public async Task RenewAsync(TimeSpan after, TimeProvider time)
    {
        lock (sync)
            IsAwaited = isRenewing = true;
        var hasGiven = false;
        try
        {
            await Task.Delay(after, time);
            var (memory, actual) = (await ReadMemoryAsync(), await ReadActualAsync());
            if (actual < memory)
            {
                hasGiven = true;
                await qmp.ExecuteAsync("balloon", new { value = memory });
                var began = time.GetTimestamp();
                while (time.GetElapsedTime(began) < TakingBack && await ReadActualAsync() < memory)
                    await Task.Delay(Step, time);
                await qmp.ExecuteAsync("balloon", new { value = actual });
            }
        }
        catch (Exception e) when (e is QmpException or QmpClosedException)
        {
            // It ends, or hangs: what it does without is learnt as of any other guest.
        }

        lock (sync)
        {
            isRenewing = false;
            IsAwaited = hasGiven;
            changes++;
        }
    }

    /// <summary>When the guest spoke last (seconds of QEMU's clock, 0 for never) and what it called available; null when it says nothing.</summary>
    public static (long At, Bytes Available)? Parse(JsonElement guestStats)
    {
        if (!guestStats.TryGetProperty("stats", out var stats) || Number(guestStats, "last-update") is not (> 0 and var at))
            return null;
        // Guests older than Linux 4.6 know no "available".
        return (Number(stats, "stat-available-memory") ?? Number(stats, "stat-free-memory")) is { } available ? (at, new Bytes(available)) : null;
    }

    private async Task AskAsync(TimeSpan interval)
    {
        var before = changes;
        if (State is null)
        {
            var (memory, actual) = (await ReadMemoryAsync(), await ReadActualAsync());
            lock (sync)
            {
                if (changes == before)
                    state = new BalloonState(new Bytes(memory), BalloonedOf(new Bytes(memory), actual), null);
            }
        }

        if (interval < polling)
        {
            await qmp.ExecuteAsync("qom-set", new { path = Device, property = "guest-stats-polling-interval", value = (int)Math.Ceiling(interval.TotalSeconds) });
            polling = interval;
        }

        var said = await qmp.ExecuteAsync("qom-get", Parse, new { path = Device, property = "guest-stats" });
        lock (sync)
            Hear(said);
    }

    private Task<long> ReadMemoryAsync() => qmp.ExecuteAsync("query-memory-size-summary", m => m.GetProperty("base-memory").GetInt64());

    private Task<long> ReadActualAsync() => qmp.ExecuteAsync("query-balloon", b => b.GetProperty("actual").GetInt64());

    // What the guest said while its balloon moved is of no use: what it has now is not what it had then.
    private void Hear((long At, Bytes Available)? said)
    {
        if (said is not { } words || state is null || words.At == heard.At)
            return;
        if (changes == heard.Changes && !isRenewing)
        {
            IsAwaited = false;
            state = state with { InUse = new Bytes(Math.Max(0, state.Has.Value - words.Available.Value)) };
        }

        heard = (words.At, changes);
    }

    private static Bytes BalloonedOf(Bytes memory, long actual) => new(Math.Max(0, memory.Value - actual));

    // What the guest has not said is all ones.
    private static long? Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.TryGetInt64(out var number) && number >= 0 ? number : null;
}
