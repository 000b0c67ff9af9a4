using Alveare.Core.Power;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Planning.Power;
using Alveare.Tests.HostLink;
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
}
