using System.Text.Json;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model;
using Alveare.Tests.Kvm.Qmp;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

/// <summary>What becomes of the balloon of a guest that has arrived from another host.</summary>
public sealed class BalloonRenewalTests
{
    private const long Mib = 1024 * 1024;

    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(500);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AGuestTakesAllBackBeforeItGivesAsMuchAgain()
    {
        using var guest = new Guest { Actual = 300 * Mib, TakesPerLook = 30 * Mib };
        var balloon = await guest.ConnectAsync();
        await balloon.RenewAsync(Rest, new HurriedTime());
        Assert.Equal([(400 * Mib, 300 * Mib), (300 * Mib, 400 * Mib)], guest.Asked);
        Assert.True(balloon.IsAwaited);
    }

    [Fact]
    public async Task AGuestThatHasGivenNothingBackIsLeftAlone()
    {
        using var guest = new Guest { Actual = 400 * Mib };
        var balloon = await guest.ConnectAsync();
        await balloon.RenewAsync(Rest, new HurriedTime());
        Assert.Empty(guest.Asked);
        Assert.False(balloon.IsAwaited);
    }

    [Fact]
    public async Task AGuestThatDoesNotTakeItBackIsNotWaitedForForEver()
    {
        using var guest = new Guest { Actual = 300 * Mib, TakesPerLook = 0 };
        var balloon = await guest.ConnectAsync();
        var time = new HurriedTime();
        await balloon.RenewAsync(Rest, time);
        Assert.Equal([(400 * Mib, 300 * Mib), (300 * Mib, 300 * Mib)], guest.Asked);
        Assert.InRange(time.GetElapsedTime(0), TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(31));
    }

    [Fact]
    public async Task WithoutABalloonThereIsNothingToWaitFor()
    {
        using var guest = new Guest { Actual = null };
        var balloon = await guest.ConnectAsync();
        var renewing = balloon.RenewAsync(Rest, TimeProvider.System);
        // What the guest can do without is not known from the moment on in which it arrives.
        Assert.True(balloon.IsAwaited);
        await renewing;
        Assert.False(balloon.IsAwaited);
    }

    [Fact]
    public async Task WhatAGuestSaysCountsOnceItsBalloonStandsStillAgain()
    {
        using var guest = new Guest { Actual = 300 * Mib, TakesPerLook = 400 * Mib, Available = 100 * Mib };
        var balloon = await guest.ConnectAsync();
        await balloon.RenewAsync(Rest, new HurriedTime());
        await balloon.ReadAsync(TimeSpan.FromSeconds(20));
        Assert.Equal((true, null), (balloon.IsAwaited, balloon.State!.InUse));
        await balloon.ReadAsync(TimeSpan.FromSeconds(20));
        Assert.Equal((false, new Bytes(200 * Mib)), (balloon.IsAwaited, balloon.State.InUse));
    }

    /// <summary>Timers ring at once, and the time that they are set to has passed then.</summary>
    private sealed class HurriedTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _now);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime > TimeSpan.Zero)
                Interlocked.Add(ref _now, dueTime.Ticks);
            return base.CreateTimer(callback, state, dueTime == Timeout.InfiniteTimeSpan ? dueTime : TimeSpan.Zero, period);
        }
    }

    /// <summary>A QEMU with 400 MiB whose guest gives at once, and takes some each time that somebody looks.</summary>
    private sealed class Guest : IDisposable
    {
        private readonly FakeQemu _qemu;
        private QmpConnection? _connection;
        private long _target;
        private int _said;

        public Guest() => _qemu = new FakeQemu(Answer);

        /// <summary>What the guest has; null without a balloon.</summary>
        public long? Actual { get; set; }

        public long TakesPerLook { get; init; }

        public long Available { get; init; }

        /// <summary>What it was asked to keep, each with what it had then.</summary>
        public List<(long Target, long Had)> Asked { get; } = [];

        public async Task<Balloon> ConnectAsync()
        {
            _connection = await QmpConnection.ConnectAsync(_qemu.Path, null, Patience.Longest, Cancellation);
            return new Balloon(_connection);
        }

        public void Dispose()
        {
            _connection?.DisposeAsync().AsTask().Wait();
            _qemu.Dispose();
        }

        private string Answer(string command, JsonElement arguments)
        {
            switch (command)
            {
                case "query-memory-size-summary":
                    return $$$"""{"return": {"base-memory": {{{400 * Mib}}}}}""";
                case "query-balloon" when Actual is null:
                    return """{"error": {"class": "DeviceNotActive", "desc": "No balloon device has been activated"}}""";
                case "query-balloon":
                    Actual = _target > Actual ? Math.Min(Math.Min(_target, 400 * Mib), Actual.Value + TakesPerLook) : Actual;
                    return $$$"""{"return": {"actual": {{{Actual}}}}}""";
                case "balloon":
                    _target = arguments.GetProperty("value").GetInt64();
                    Asked.Add((_target, Actual!.Value));
                    Actual = Math.Min(Actual.Value, _target);
                    break;
                case "qom-get":
                    return $$$"""{"return": {"stats": {"stat-available-memory": {{{Available}}}}, "last-update": {{{++_said}}}}}""";
            }

            return """{"return": {}}""";
        }
    }
}
