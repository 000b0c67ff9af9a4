using Alveare.Machine.Tests.Room;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Machine.Tests.Statistics;

public sealed class RegularSampleTests
{
    [Fact]
    public async Task WhoeverWatchesTheHostIsToldRegularly()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a", o => o with { Time = new HurriedTime() });
        var machine = await room.StartTickingAsync(host, "tick");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(MachineRoom.Patience);
        var samples = new List<StatisticsSampled>();
        await foreach (var change in host.WatchAsync(limit.Token))
        {
            if (change is StatisticsSampled { Machines.Length: > 0 } sampled)
                samples.Add(sampled);
            if (samples.Count == 2)
                break;
        }

        Assert.All(samples, s => Assert.Equal(machine.Id, Assert.Single(s.Machines).Machine));
        Assert.All(samples, s => Assert.True(s.Machines[0].CpuPercent > 0));
        Assert.True(samples[1].Host.At > samples[0].Host.At);
    }

    /// <summary>The real clock with timers that ring after a twentieth of their time.</summary>
    private sealed class HurriedTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, Hurry(dueTime), Hurry(period));

        private static TimeSpan Hurry(TimeSpan time) => time == Timeout.InfiniteTimeSpan ? time : time / 20;
    }
}
