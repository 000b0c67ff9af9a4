using Alveare.Kvm;
using Alveare.Model;
using Xunit;

namespace Alveare.Tests.Kvm;

public sealed class HostHardwareTests
{
    [Fact]
    public void TheKernelsWordsBecomeFigures()
    {
        var hardware = HostHardware.Parse(
            "processor\t: 0\nmodel name\t: Some CPU @ 2.10GHz\ncpu MHz\t\t: 2096.618\n\nprocessor\t: 1\ncpu MHz\t\t: 800.000\n",
            "MemTotal:       24593180 kB\nMemFree:  1 kB\n");
        Assert.Equal(new HostHardware("Some CPU @ 2.10GHz", new Megahertz(2097), new Bytes(24593180L * 1024)), hardware);
    }

    [Fact]
    public void WhatTheKernelDoesNotTellIsNotMadeUp() =>
        Assert.Equal(new HostHardware("unknown", Megahertz.Zero, Bytes.Zero), HostHardware.Parse("processor : 0\n", ""));
}
