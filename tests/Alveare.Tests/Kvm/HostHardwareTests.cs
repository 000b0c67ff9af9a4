using Alveare.Kvm;
using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Kvm;

public sealed class HostHardwareTests
{
    private const string Memory = "MemTotal:       24593180 kB\nMemFree:  1 kB\n";

    [Fact]
    public void TheKernelsWordsBecomeFigures()
    {
        var hardware = HostHardware.Parse(
            "processor\t: 0\nmodel name\t: Some CPU\ncpu MHz\t\t: 800.000\n\nprocessor\t: 1\ncpu MHz\t\t: 2096.618\n", Memory);
        Assert.Equal(new HostHardware("Some CPU", new Megahertz(2097), new Bytes(24593180L * 1024)), hardware);
    }

    [Theory]
    [InlineData("Some CPU @ 2.10GHz", 2000000, 3900000, 2000)]
    [InlineData("Some CPU @ 2.10GHz", 0, 3900000, 2100)]
    [InlineData("Some CPU", 0, 3900000, 3900)]
    [InlineData("Some CPU", 0, 0, 800)]
    public void TheClockIsThatOfTheProcessorAndNotOfTheMoment(string model, long baseKilohertz, long maxKilohertz, long expected) =>
        Assert.Equal(
            new Megahertz(expected), HostHardware.Parse($"model name : {model}\ncpu MHz : 800.0\n", Memory, baseKilohertz, maxKilohertz).Clock);

    [Theory]
    [InlineData(1024, 256)]
    [InlineData(51200, 1536)]
    public void AHostKeepsMemoryForItself(long mib, long reserved) =>
        Assert.Equal(Bytes.FromMib(reserved), new HostHardware("", Megahertz.Zero, Bytes.FromMib(mib)).Reserved);

    [Fact]
    public void WhatTheKernelDoesNotTellIsNotMadeUp() =>
        Assert.Equal(new HostHardware("unknown", Megahertz.Zero, Bytes.Zero), HostHardware.Parse("processor : 0\n", ""));
}
