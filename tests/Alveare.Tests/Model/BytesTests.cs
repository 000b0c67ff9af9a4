using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Model;

/// <summary>How sizes read in faults.</summary>
public sealed class BytesTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(-3, "-3 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1L << 26, "64 MiB")]
    [InlineData(1L << 32, "4 GiB")]
    [InlineData((1L << 32) + 1, "4 GiB (4294967297 bytes)")]
    [InlineData((1L << 30) + (1L << 29), "1.5 GiB (1610612736 bytes)")]
    [InlineData(-(1L << 30) - 1, "-1 GiB (-1073741825 bytes)")]
    [InlineData(long.MinValue, "-8192 PiB")]
    public void WhatIsRoundedAwayIsSaid(long value, string expected) => Assert.Equal(expected, new Bytes(value).Exactly);
}
