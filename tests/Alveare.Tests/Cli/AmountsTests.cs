using Alveare.Cli.Output;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Cli;

public sealed class AmountsTests
{
    [Theory]
    [InlineData("512M", 512L << 20)]
    [InlineData("2G", 2L << 30)]
    [InlineData("1.5T", 3L << 39)]
    [InlineData("64k", 64L << 10)]
    [InlineData("8388607.5T", (8388607L << 40) + (1L << 39))]
    [InlineData("1MiB", 1L << 20)]
    [InlineData("1mb", 1L << 20)]
    public void ASizeIsReadWithItsUnit(string text, long bytes)
    {
        Assert.True(Amounts.TryParseSize(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("512")]
    [InlineData("M")]
    [InlineData("-1G")]
    [InlineData("1 G")]
    [InlineData("1,5G")]
    [InlineData("1.1.1G")]
    [InlineData("0.0001K")]
    [InlineData("1E3M")]
    [InlineData("99999999999999T")]
    [InlineData("999999999999999999T")]
    [InlineData("8388608T")]
    [InlineData("1X")]
    public void WhatIsNoSizeIsRefused(string text) => Assert.False(Amounts.TryParseSize(text, out _));

    [Fact]
    public void WholeSizesAreReadBackAsTheyWereWritten() => Gen.Int[1, 1023].Select(Gen.Int[0, 3]).Sample((number, n) =>
    {
        var unit = "KMGT"[n];
        Assert.True(Amounts.TryParseSize($"{number}{unit}", out var bytes));
        Assert.Equal($"{number} {unit}iB", Amounts.Size(bytes));
    });

    [Theory]
    [InlineData(0.051, "51 ms")]
    [InlineData(2.24, "2.2 s")]
    [InlineData(59, "59 s")]
    [InlineData(61, "1 min 1 s")]
    [InlineData(7500, "2 h 5 min")]
    [InlineData(90000, "1 d 1 h")]
    public void DurationsAreShownInTheirTwoLargestUnits(double seconds, string shown) =>
        Assert.Equal(shown, Amounts.Duration(TimeSpan.FromSeconds(seconds)));
}
