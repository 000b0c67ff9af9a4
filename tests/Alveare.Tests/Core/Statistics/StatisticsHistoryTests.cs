using Alveare.Core.Statistics;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Statistics;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Core.Statistics;

/// <summary>The last hour of samples: which are kept, in which order, and how exactly.</summary>
public sealed class StatisticsHistoryTests
{
    private static readonly EntityId Vm = EntityId.Vm(Guid.Empty);
    private static readonly EntityId Host = EntityId.Host(Guid.Empty);

    [Fact]
    public void TheNewestHourIsKeptOldestFirst() => Gen.Int[0, 3 * StatisticsHistory.Kept].Sample(
        count =>
        {
            var history = new StatisticsHistory(TimeProvider.System);
            for (var number = 0; number < count; number++)
                history.Add(Sampled(new MachineSample { Machine = Vm, At = At(number), CpuPercent = number }));
            var kept = Enumerable.Range(0, count).TakeLast(StatisticsHistory.Kept).Select(n => (double)n).ToList();
            Assert.Equal(kept, history.Machine(Vm).Select(s => s.CpuPercent));
            var room = new DemandSample[StatisticsHistory.Kept];
            Assert.Equal(kept.AsEnumerable().Reverse(), room[..history.DemandOfMachine(Vm, room)].Select(s => s.CpuPercent));
            Assert.Equal(kept.Count, history.AgesOfHost(Host).Length);
            Assert.Equal(kept, history.Host(Host).Select(s => (s.At - At(0)) / TimeSpan.FromSeconds(20)));
            Assert.Equal(count == 0 ? null : count - 1, history.LatestOfMachine(Vm)?.CpuPercent);
            Assert.Equal(count == 0 ? 0 : 1, history.LatestOfMachines().Count);
        },
        iter: 20);

    [Fact]
    public void WhatIsOlderThanAnHourIsNotTold()
    {
        var clock = new ManualClock();
        var history = new StatisticsHistory(clock);
        history.Add(Sampled(new MachineSample { Machine = Vm, At = At(0), CpuPercent = 1 }));
        clock.Advance(TimeSpan.FromMinutes(59));
        history.Add(Sampled(new MachineSample { Machine = Vm, At = At(1), CpuPercent = 2 }));
        Assert.Equal([1, 2], history.Machine(Vm).Select(s => s.CpuPercent));
        clock.Advance(StatisticsHistory.Fresh);
        Assert.Equal((2.0, 2.0), (history.LatestDemandOf(Vm)!.Value.CpuPercent, history.LatestOfMachine(Vm)!.CpuPercent));
        // What it is asking for now nobody knows any more.
        clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((null, null), (history.LatestDemandOf(Vm), history.LatestOfMachine(Vm)));
        Assert.Equal([2], history.Machine(Vm).Select(s => s.CpuPercent));
        Assert.Single(history.Host(Host));
        clock.Advance(StatisticsHistory.Oldest);
        Assert.Empty(history.Machine(Vm));
        Assert.Empty(history.LatestOfMachines());
    }

    [Fact]
    public void ASampleIsKeptToSevenDigitsAndWholePages()
    {
        var sample = new MachineSample
        {
            Machine = Vm,
            At = new DateTimeOffset(2030, 1, 1, 2, 0, 0, 123, TimeSpan.FromHours(2)),
            CpuPercent = 1234.5678,
            CpuReadyPercent = 3.25,
            MemoryConsumed = Bytes.FromGib(6144),
            MemoryActive = Bytes.FromMib(3),
            MemoryBallooned = Bytes.FromMib(5),
            DiskReadBytesPerSecond = 1e9 / 3,
            DiskWriteBytesPerSecond = 2,
            DiskReadsPerSecond = 3,
            DiskWritesPerSecond = 4,
            NetworkReceivedBytesPerSecond = 5,
            NetworkSentBytesPerSecond = 6,
        };
        var history = new StatisticsHistory(TimeProvider.System);
        history.Add(Sampled(sample));
        var kept = Assert.Single(history.Machine(Vm));
        Assert.Equal(sample.CpuPercent, kept.CpuPercent, sample.CpuPercent / 1e7);
        Assert.Equal(sample.DiskReadBytesPerSecond, kept.DiskReadBytesPerSecond, sample.DiskReadBytesPerSecond / 1e7);
        Assert.Equal(sample with { CpuPercent = kept.CpuPercent, DiskReadBytesPerSecond = kept.DiskReadBytesPerSecond }, kept);
    }

    private static DateTimeOffset At(int number) => new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero).AddSeconds(20 * number);

    private static StatisticsSampled Sampled(MachineSample sample) => new(new HostSample { Host = Host, At = sample.At }, [sample]);
}
