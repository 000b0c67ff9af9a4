using System.Diagnostics;
using Alveare.Core.Hosts;
using Alveare.Kvm.Qmp;
using Alveare.Machine.Tests.Room;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Statistics;
using Xunit;

namespace Alveare.Machine.Tests.Statistics;

public sealed class StatisticsTests
{
    [Fact]
    public async Task AWorkingGuestShowsInEveryFigure()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a", o => o with { Time = new TimeWithoutRegularReadings() });
        var machine = await room.StartTickingAsync(host, "tick");
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        await TickingGuest.CountsUntilAsync(serial, n => n >= 20, TestContext.Current.CancellationToken);

        var (all, sample) = await ReadAsync(host, machine.Id);

        Assert.Equal(host.Id, all.Host.Host);
        Assert.Equal(1, all.Host.RunningMachines);
        Assert.True(all.Host.CpuPercent > 0);
        Assert.True(all.Host.MemoryUsed > Bytes.Zero);
        Assert.InRange(sample.CpuPercent, 0.1, 400);
        Assert.InRange(sample.CpuReadyPercent, 0, 100);
        Assert.True(sample.MemoryConsumed > Bytes.FromMib(8));
        Assert.True(sample.MemoryActive > Bytes.Zero && sample.MemoryActive <= sample.MemoryConsumed);
        // It writes one sector with every tick and reads its boot sector.
        Assert.True(sample.DiskWritesPerSecond > 0);
        Assert.Equal(512, sample.DiskWriteBytesPerSecond / sample.DiskWritesPerSecond, 3);
        Assert.True(sample.DiskReadBytesPerSecond > 0);
        Assert.Equal((0.0, 0.0), (sample.NetworkReceivedBytesPerSecond, sample.NetworkSentBytesPerSecond));
    }

    [Fact]
    public async Task AMachineThatEndedIsInNoSampleAndOneThatStartsAgainBeginsAtZero()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        await ReadAsync(host, machine.Id);
        await MachineRoom.ExecuteAsync(host, new StopMachine(machine.Id));
        var none = (StatisticsReply)await MachineRoom.ExecuteAsync(host, new ReadStatistics());
        Assert.Empty(none.Samples.Machines);

        await MachineRoom.ExecuteAsync(host, new StartMachine(machine.Id, 0));

        Assert.True((await ReadAsync(host, machine.Id)).Sample.CpuPercent > 0);
    }

    [Fact]
    public async Task AGuestThatStoodStillWhileItWasReadShowsWhatItDoesNext()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a", o => o with { Time = new TimeWithoutRegularReadings() });
        var machine = await room.StartTickingAsync(host, "tick");
        using var serial = await MachineRoom.OpenSerialAsync(host, machine.Id);
        await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        await MachineRoom.ExecuteAsync(host, new PauseMachine(machine.Id));
        // Often enough for its QEMU not to be asked any more.
        for (var reading = 0; reading < 5; reading++)
            await ReadAsync(host, machine.Id);
        var (_, still) = await ReadAsync(host, machine.Id);
        // A sample's rates are averages over one span, since its start here, so their ratio is that of the counters behind them.
        var readsPerWriteBefore = still.DiskReadsPerSecond / still.DiskWritesPerSecond;

        await MachineRoom.ExecuteAsync(host, new ResumeMachine(machine.Id));
        var from = await TickingGuest.NextCountAsync(serial, TestContext.Current.CancellationToken);
        await TickingGuest.CountsUntilAsync(serial, n => n >= from + 100, TestContext.Current.CancellationToken);

        // It reads at its boot alone, and writes with every tick.
        var (_, moving) = await ReadAsync(host, machine.Id);
        Assert.True(moving.DiskWritesPerSecond > 0);
        Assert.True(moving.DiskReadsPerSecond / moving.DiskWritesPerSecond < readsPerWriteBefore, "the writes since are not in it");
    }

    [Fact]
    public async Task AQemuThatHangsDoesNotHoldUpTheOthers()
    {
        await using var room = MachineRoom.Open();
        var host = await room.OpenHostAsync("a");
        var machine = await room.StartTickingAsync(host, "tick");
        var pid = Assert.Single(room.LivingProcesses());
        Signals.Send(pid, Signals.Stop);
        try
        {
            var began = Stopwatch.GetTimestamp();
            await ReadAsync(host, machine.Id);
            Assert.True(Stopwatch.GetElapsedTime(began) < QmpConnection.DefaultTimeout, "the reading waited for QEMU as a command does");
        }
        finally
        {
            Signals.Send(pid, Signals.Continue);
        }
    }

    private static async Task<(StatisticsSampled All, MachineSample Sample)> ReadAsync(IHost host, EntityId machine)
    {
        var reply = (StatisticsReply)await MachineRoom.ExecuteAsync(host, new ReadStatistics());
        return (reply.Samples, Assert.Single(reply.Samples.Machines, s => s.Machine == machine));
    }

    /// <summary>The real clock without its slow timers: every sample goes back to the machine's start.</summary>
    private sealed class TimeWithoutRegularReadings : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => period >= TimeSpan.FromSeconds(20)
            ? base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan)
            : base.CreateTimer(callback, state, dueTime, period);
    }
}
