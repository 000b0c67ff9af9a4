using Alveare.Planning.Balancing;
using Xunit;

namespace Alveare.Tests.Planning.Balancing;

/// <summary>How long a load is expected to stay what it is.</summary>
public sealed class LoadHistoryTests
{
    [Fact]
    public void ALoadThatNeverChangedIsAsSteadyAsItsPastIsLong() => Assert.Equal(TimeSpan.FromSeconds(79), Steady(Enumerable.Repeat(50.0, 80)));

    [Fact]
    public void ASpikeIsAsSteadyAsItIsLong() =>
        Assert.InRange(Steady([.. Enumerable.Repeat(5.0, 60), .. Enumerable.Repeat(100.0, 4)]), TimeSpan.Zero, TimeSpan.FromSeconds(7));

    [Fact]
    public void AWaveThatSwingsFastIsSteady() =>
        Assert.True(Steady(Enumerable.Range(0, 128).Select(n => n % 2 == 0 ? 100.0 : 0.0)) >= TimeSpan.FromSeconds(100));

    [Fact]
    public void NoiseIsNoChange() => Assert.True(Steady(Enumerable.Range(0, 64).Select(n => n < 32 ? 0.0 : 4.0)) > TimeSpan.FromSeconds(60));

    [Fact]
    public void WithoutAPastNothingIsSteady()
    {
        Assert.Equal(TimeSpan.Zero, Steady([]));
        Assert.Equal(TimeSpan.Zero, Steady([50.0]));
    }

    [Theory]
    [InlineData(30, 90)]
    [InlineData(1, 10)]
    public void StatisticsAreStaleAfterThreeIntervals(int interval, int limit)
    {
        TimeSpan[] Ages(double newest) => [.. Enumerable.Range(0, 5).Select(n => TimeSpan.FromSeconds(newest + (interval * n)))];
        Assert.False(LoadHistory.IsStale(Ages(limit)));
        Assert.True(LoadHistory.IsStale(Ages(limit + 0.1)));
    }

    [Fact]
    public void OneSampleIsStaleAfterAMinuteAndNoneIsStale()
    {
        Assert.False(LoadHistory.IsStale([TimeSpan.FromSeconds(60)]));
        Assert.True(LoadHistory.IsStale([TimeSpan.FromSeconds(60.1)]));
        Assert.True(LoadHistory.IsStale([]));
    }

    private static TimeSpan Steady(IEnumerable<double> oldestFirst) =>
        LoadHistory.SteadyFor([.. oldestFirst.Reverse().Select((load, n) => new LoadPoint(load, TimeSpan.FromSeconds(n)))], noise: 5);
}
