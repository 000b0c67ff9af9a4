using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

/// <summary>How much of its memory a guest is asked to keep.</summary>
public sealed class BalloonedGuestTests
{
    private const double Mib = 1 << 20;
    private const double Noise = 1;

    private static readonly Gen<BalloonedGuest> Guests = Gen.Select(Gen.Double[32, 65536], Gen.Double[0, 1], Gen.Double[0, 1], Gen.Double[20, 400]).Select(
        (memory, ballooned, used, overhead) => new BalloonedGuest(memory * Mib, memory * Mib * ballooned, memory * Mib * (1 - ballooned) * used, overhead * Mib));

    private static readonly Gen<double> Limits = Gen.OneOf(Gen.Double[128, 70_000].Select(l => l * Mib), Gen.Const(double.PositiveInfinity));

    [Fact]
    public void AProcessStaysBelowItsLimitUnlessItsGuestNeedsMore() => Gen.Select(Guests, Limits).Sample((guest, limit) =>
    {
        var target = guest.TargetAt(limit);
        Assert.True(target + guest.Overhead < limit || target <= guest.Floor + (BalloonedGuest.Slack / 2) + Noise);
    });

    [Fact]
    public void NoGuestIsAskedForWhatItUsesNorGivenMoreThanItsMemory() => Gen.Select(Guests, Limits).Sample((guest, limit) =>
        // A target that is near is what the guest has: by half the slack it may be below its floor, never below what is in use.
        Assert.InRange(guest.TargetAt(limit), Math.Min(guest.InUse, guest.Has) - Noise, guest.Memory + Noise));

    [Fact]
    public void OfAHigherLimitAGuestHasNoLess() => Gen.Select(Guests, Limits, Limits).Sample((guest, one, other) =>
        Assert.True(guest.TargetAt(Math.Min(one, other)) <= guest.TargetAt(Math.Max(one, other)) + Noise));

    [Fact]
    public void AGuestThatHasComeToItsTargetIsAskedForNothing() => Gen.Select(Guests, Limits).Sample((guest, limit) =>
    {
        var target = guest.TargetAt(limit);
        var there = guest with { Ballooned = guest.Memory - target };
        Assert.Equal(there.Has, there.TargetAt(limit), Noise);
    });

    [Fact]
    public void AGuestWithoutLimitHasAllItsMemory() => Guests.Sample(guest =>
        Assert.Equal(guest.Memory, guest.TargetAt(double.PositiveInfinity), Noise));

    [Fact]
    public void WhatIsLeftToAGuestIsItsLimitWithoutTheOverheadAndTheSlack()
    {
        var guest = new BalloonedGuest(400 * Mib, 0, 70 * Mib, 60 * Mib);
        Assert.Equal(224 * Mib, guest.TargetAt(300 * Mib));
        Assert.Equal(87.5 * Mib, guest.TargetAt(128 * Mib));
        Assert.Equal(163.5 * Mib, guest.Keeps);
        Assert.Equal(230 * Mib, (guest with { Ballooned = 170 * Mib }).TargetAt(300 * Mib));
    }
}
