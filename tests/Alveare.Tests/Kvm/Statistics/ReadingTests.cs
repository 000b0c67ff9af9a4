using System.Text.Json;
using Alveare.Kvm.Networks;
using Alveare.Kvm.Statistics;
using Alveare.Model;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Kvm.Statistics;

public sealed class ReadingTests
{
    private static readonly EntityId Machine = EntityId.Vm(Guid.NewGuid());
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void RatesAreWhatWasAddedPerSecond()
    {
        var from = Reading(Start, 1_000_000_000, 0, new DiskCounters(100, 200, 1, 2), new LinkCounters(10, 20));
        var to = Reading(Start.AddSeconds(20), 21_000_000_000, 4_000_000_000, new DiskCounters(20_100, 40_200, 21, 42), new LinkCounters(2_010, 4_020));
        var sample = to.Since(from, TimeSpan.FromSeconds(20));
        Assert.Equal(100, sample.CpuPercent);
        Assert.Equal(10, sample.CpuReadyPercent);
        Assert.Equal((1000.0, 2000.0, 1.0, 2.0), (sample.DiskReadBytesPerSecond, sample.DiskWriteBytesPerSecond, sample.DiskReadsPerSecond, sample.DiskWritesPerSecond));
        Assert.Equal((100.0, 200.0), (sample.NetworkReceivedBytesPerSecond, sample.NetworkSentBytesPerSecond));
    }

    [Fact]
    public void RatesAreOfTheTimeThatPassedWhateverTheClockWasSetTo()
    {
        var from = Reading(Start, 0, 0, default, default);
        foreach (var date in new[] { Start.AddYears(-1), Start.AddYears(1) })
        {
            Assert.Equal(100, Reading(date, 20_000_000_000, 0, default, default).Since(from, TimeSpan.FromSeconds(20)).CpuPercent);
            var host = HostReading.Parse(date, "cpu  1000 0 0 0 0 0 0 0 0 0\n", "MemTotal: 1 kB\nMemAvailable: 1 kB\n", default);
            Assert.Equal(100, host.Since(HostReading.Parse(Start, "cpu  0 0 0 0 0 0 0 0 0 0\n", "", default), TimeSpan.FromSeconds(10), EntityId.Host(Guid.NewGuid()), 0).CpuPercent);
        }
    }

    [Fact]
    public void NoRateIsEverNegativeOrNotANumber() =>
        Gen.Select(Gen.Long, Gen.Long, Gen.Double[0, 100]).Sample((from, to, seconds) =>
            MachineReading.Rate(from / 2, to / 2, seconds) is >= 0 and < double.PositiveInfinity);

    [Fact]
    public void TheHostIsBusyButForIdlingAndWaitingForDisks()
    {
        const string memory = "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:   400 kB\n";
        var from = HostReading.Parse(Start, "cpu  10 0 10 1000 5 0 0 0 0 0\ncpu0 1\n", memory, default);
        var to = HostReading.Parse(Start.AddSeconds(10), "cpu  510 0 510 1000 99 0 0 0 7 0\ncpu0 1\n", memory, default);
        var sample = to.Since(from, TimeSpan.FromSeconds(10), EntityId.Host(Guid.NewGuid()), 3);
        Assert.Equal(100, sample.CpuPercent);
        Assert.Equal(new Bytes(600 * 1024), sample.MemoryUsed);
        Assert.Equal(3, sample.RunningMachines);
    }

    [Fact]
    public void DrivesAreSummedUp()
    {
        using var answer = JsonDocument.Parse(
            """
            [{"device":"","qdev":"a","stats":{"rd_bytes":1,"wr_bytes":2,"rd_operations":3,"wr_operations":4,"flush_operations":9}},
             {"device":"","qdev":"b","stats":{"rd_bytes":10,"wr_bytes":20,"rd_operations":30,"wr_operations":40}}]
            """);
        Assert.Equal(new DiskCounters(11, 22, 33, 44), BlockStatistics.Parse(answer.RootElement));
    }

    private static MachineReading Reading(DateTimeOffset at, long cpu, long ready, DiskCounters disk, LinkCounters network) =>
        new(Machine, at, 2, cpu, ready, Bytes.Zero, Bytes.Zero, Bytes.Zero, disk, network);
}
