using Alveare.Simulation.Scheduling;
using Xunit;

namespace Alveare.Tests.Simulation;

public sealed class SchedulerTests
{
    [Fact]
    public void ASeedDecidesTheOrderAndNothingElseDoes()
    {
        Assert.Equal(OrderOf(7), OrderOf(7));
        Assert.True(Enumerable.Range(0, 10).Select(OrderOf).Distinct().Count() > 1);
    }

    [Fact]
    public void TimePassesOnlyWhenNothingElseIsLeft()
    {
        var scheduler = new Scheduler(new Random(1));
        var realm = new Realm(scheduler, "test");
        var seen = new List<string>();
        scheduler.Run(
            realm,
            async () =>
            {
                var day = Task.Delay(TimeSpan.FromDays(1), scheduler.Time, CancellationToken.None);
                await Task.Yield();
                seen.Add($"{scheduler.Time.Elapsed.TotalHours}");
                await day;
                seen.Add($"{scheduler.Time.Elapsed.TotalHours}");
            },
            100);
        Assert.Equal(["0", "24"], seen);
    }

    [Fact]
    public void NothingOfAKilledRealmGoesOnNotEvenAFinally()
    {
        var scheduler = new Scheduler(new Random(1));
        var world = new Realm(scheduler, "world");
        var engine = world.Beside("engine");
        var seen = new List<string>();
        scheduler.Run(
            world,
            async () =>
            {
                _ = engine.RunAsync(async () =>
                {
                    try
                    {
                        seen.Add("began");
                        await Task.Delay(TimeSpan.FromSeconds(1), scheduler.Time, CancellationToken.None);
                        seen.Add("went on");
                    }
                    finally
                    {
                        seen.Add("cleaned up");
                    }
                });
                engine.Kill();
                await Task.Delay(TimeSpan.FromSeconds(5), scheduler.Time, CancellationToken.None);
            },
            100);
        Assert.Equal(["began"], seen);
    }

    [Fact]
    public void WorkThatLeavesForThePoolIsFoundAndNamed()
    {
        var scheduler = new Scheduler(new Random(1));
        using var awaited = new ManualResetEventSlim();
        var found = Assert.Throws<SchedulingException>(() => scheduler.Run(
            new Realm(scheduler, "leaky"),
            () =>
            {
                var leaking = LeakAsync(awaited);
                awaited.Set();
                return leaking;
            },
            1_000));
        Assert.Contains(nameof(LeakAsync), found.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WorkThatWaitsForWhatNeverComesIsFound()
    {
        var scheduler = new Scheduler(new Random(1));
        var found = Assert.Throws<SchedulingException>(() =>
            scheduler.Run(new Realm(scheduler, "stuck"), () => new TaskCompletionSource().Task, 1_000));
        Assert.Contains("never comes", found.Message, StringComparison.Ordinal);
    }

    // The pool's work ends only after it is awaited: of work that had ended before, nothing would come back from the pool.
    private static async Task LeakAsync(ManualResetEventSlim awaited) =>
        await Task.Run(() => awaited.Wait(TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);

    private static string OrderOf(int seed)
    {
        var scheduler = new Scheduler(new Random(seed));
        var order = new List<int>();
        scheduler.Run(
            new Realm(scheduler, "test"),
            () => Task.WhenAll(Enumerable.Range(0, 6).Select(async n =>
            {
                await Task.Yield();
                order.Add(n);
            })),
            100);
        return string.Concat(order);
    }
}
