using Alveare.Kvm.Networks;
using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Kvm.Networks;

public sealed class TapShapingTests
{
    [Fact]
    public void WhatIsNotSaidFollowsTheAverage() =>
        Assert.Equal(
            new TokenBucket(10_000_000, Burst: 500_000, Peak: 0, PeakBurst: 4096, Limit: 1_500_000),
            TapShaping.BucketOf(new TrafficShaping(new Bytes(10_000_000))));

    [Fact]
    public void ASmallLimitStillTakesWholeFrames() =>
        Assert.Equal(
            new TokenBucket(MachineLimits.MinBandwidth.Value, Burst: 32 * 1024, Peak: 0, PeakBurst: 4096, Limit: 160 * 1024),
            TapShaping.BucketOf(new TrafficShaping(MachineLimits.MinBandwidth)));

    // The kernel refuses a peak that is not above the average, and what takes no frame.
    [Fact]
    public void EveryLegalLimitIsOneThatTheKernelTakes() =>
        Gen.Select(
            Gen.Long[MachineLimits.MinBandwidth.Value, MachineLimits.MaxBandwidth.Value], Gen.Long[0, MachineLimits.MaxBandwidth.Value],
            Gen.Long[MachineLimits.MinBurst.Value, MachineLimits.MaxBurst.Value].Nullable(), Gen.Bool).Sample((average, more, burst, hasPeak) =>
        {
            var peak = Math.Min(average + more, MachineLimits.MaxBandwidth.Value);
            var bucket = TapShaping.BucketOf(new TrafficShaping(new Bytes(average), hasPeak ? new Bytes(peak) : null, burst is { } b ? new Bytes(b) : null));
            return bucket.Rate == average && bucket.Burst >= 2 * 1464 && bucket.Limit > bucket.Burst && bucket.PeakBurst is >= 2 * 1464 && bucket.PeakBurst <= bucket.Burst
                && (hasPeak ? bucket.Peak > average : bucket.Peak == 0);
        });

    [Fact]
    public void AnIntermediateDeviceIsNamedAfterItsTapAndFitsTheKernelsFifteenBytes() =>
        Gen.Select(Gen.Guid, Gen.Guid, Gen.Int[0, 9]).Sample((host, machine, nic) =>
        {
            var tap = new DeviceNames(EntityId.Host(host)).Tap(machine, nic);
            var name = DeviceNames.IfbOf(tap);
            return name.Length == tap.Length && name != tap && name.StartsWith("alvi", StringComparison.Ordinal) && name[4..] == tap[4..];
        });
}
