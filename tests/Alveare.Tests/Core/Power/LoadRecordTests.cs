using Alveare.Core.Power;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Planning.Power;
using Xunit;

namespace Alveare.Tests.Core.Power;

/// <summary>What a cluster was asked for, hour by hour.</summary>
public sealed class LoadRecordTests
{
    private static readonly EntityId Cluster = new(EntityKind.Cluster, new Guid(1, 2, 3, new byte[8]));

    [Fact]
    public async Task EachHourIsTheMeanOfItsNotesAndSurvivesTheEngine()
    {
        var (store, clock) = (new MemoryStore(), new ManualClock());
        var record = new LoadRecord(store, clock);
        var first = LoadForecast.HourOf(clock.GetUtcNow());
        for (var hour = 0; hour < 3; hour++)
        {
            await record.NoteAsync(Cluster, 1_000 * hour, 100);
            await record.NoteAsync(Cluster, (1_000 * hour) + 500, 300);
            clock.Advance(TimeSpan.FromHours(1));
        }

        Assert.Equal([new HourLoad(first, 250, 200), new HourLoad(first + 1, 1_250, 200)], record.Of(Cluster));
        var again = new LoadRecord(store, clock);
        again.Load();
        Assert.Equal(record.Of(Cluster), again.Of(Cluster));
        await again.ForgetAsync(Cluster);
        Assert.Empty(again.Of(Cluster));
        Assert.Empty(store.Load(StoreKind.Load));
    }

    [Theory]
    [InlineData(1970)]
    [InlineData(2099)]
    public async Task AClockThatIsWrongForAWhileCostsNoMoreThanThat(int year)
    {
        const int WrongHours = 5;
        var (store, clock) = (new MemoryStore(), new ManualClock());
        var record = new LoadRecord(store, clock);
        await PassAsync(record, clock, 6 * LoadForecast.HoursPerWeek, mhz: 1_000);
        var right = clock.GetUtcNow();

        // As on a board whose battery is empty, until the time is asked for.
        clock.Advance(new DateTimeOffset(year, 1, 1, 0, 0, 0, TimeSpan.Zero) - right);
        var again = new LoadRecord(store, clock);
        again.Load();
        await PassAsync(again, clock, WrongHours, mhz: 7_000);
        clock.Advance(right - clock.GetUtcNow());
        Assert.Equal(1_000, LoadForecast.Between(right, TimeSpan.FromDays(6), again.Of(Cluster))!.Value.CpuMhz);
        Assert.InRange(again.Of(Cluster).Count(h => h.CpuMhz == 1_000), (5 * LoadForecast.HoursPerWeek) - WrongHours - 1, 5 * LoadForecast.HoursPerWeek);

        // What was noted wrongly goes in its turn.
        await PassAsync(again, clock, 6 * LoadForecast.HoursPerWeek, mhz: 2_000);
        Assert.All(again.Of(Cluster), h => Assert.Equal(2_000, h.CpuMhz));
    }

    [Fact]
    public async Task AnHourThatComesAgainTakesThePlaceOfTheFirst()
    {
        var (store, clock) = (new MemoryStore(), new ManualClock());
        var record = new LoadRecord(store, clock);
        var first = LoadForecast.HourOf(clock.GetUtcNow());
        await PassAsync(record, clock, 3, mhz: 1_000);
        clock.Advance(-TimeSpan.FromHours(2));
        await PassAsync(record, clock, 3, mhz: 2_000);
        Assert.Equal(
            [new HourLoad(first, 1_000, 0), new(first + 1, 2_000, 0), new(first + 2, 2_000, 0)],
            record.Of(Cluster).Where(h => h.Hour <= first + 2).OrderBy(h => h.Hour));
    }

    [Fact]
    public async Task FourWeeksTakeSomeTenKilobytes()
    {
        var (store, clock) = (new MemoryStore(), new ManualClock());
        var record = new LoadRecord(store, clock);
        for (var hour = 0; hour < 6 * LoadForecast.HoursPerWeek; hour++)
        {
            await record.NoteAsync(Cluster, 123_456, 7_654_321);
            clock.Advance(TimeSpan.FromHours(1));
        }

        Assert.InRange(Assert.Single(store.Load(StoreKind.Load)).Json.Length, 10_000, 25_000);
        Assert.Equal(123_456, LoadForecast.Between(clock.GetUtcNow(), TimeSpan.FromHours(1), record.Of(Cluster))!.Value.CpuMhz);
    }

    /// <summary>So many hours begin, each with a note, the first of them now.</summary>
    private static async Task PassAsync(LoadRecord record, ManualClock clock, int hours, double mhz)
    {
        for (var hour = 0; hour < hours; hour++)
        {
            await record.NoteAsync(Cluster, mhz, 0);
            clock.Advance(TimeSpan.FromHours(1));
        }
    }
}
