using System.Text.Json;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

public sealed class BalloonTests
{
    [Theory]
    [InlineData(7, -1, 10, 10L)]
    [InlineData(7, 300, 10, 300L)]
    [InlineData(7, -1, -1, null)]
    [InlineData(0, 300, 10, null)]
    public void AGuestWithoutABalloonDriverSaysNothing(long at, long available, long free, long? said)
    {
        using var answer = JsonDocument.Parse(
            $$"""{"stats":{"stat-free-memory":{{Text(free)}},"stat-available-memory":{{Text(available)}}},"last-update":{{at}}}""");
        Assert.Equal(said is { } bytes ? (at, new Bytes(bytes)) : null, Balloon.Parse(answer.RootElement));

        // What is not said is all ones.
        static string Text(long value) => value < 0 ? "18446744073709551615" : $"{value}";
    }

    [Fact]
    public void WhatAGuestUsesIsActiveAsFarAsItsHostHasIt()
    {
        var (memory, consumed) = (Bytes.FromMib(400), Bytes.FromMib(200));
        Assert.Equal(consumed, BalloonState.Active(consumed, null));
        Assert.Equal(consumed, BalloonState.Active(consumed, new BalloonState(memory, Bytes.Zero, null)));
        Assert.Equal(consumed, BalloonState.Active(consumed, new BalloonState(memory, Bytes.Zero, Bytes.FromMib(300))));
        Assert.Equal(Bytes.FromMib(70), BalloonState.Active(consumed, new BalloonState(memory, Bytes.Zero, Bytes.FromMib(70))));
    }
}
