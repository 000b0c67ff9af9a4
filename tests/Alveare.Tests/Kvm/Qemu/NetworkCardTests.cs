using System.Collections.Immutable;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Qemu;

public sealed class NetworkCardTests
{
    [Fact]
    public void EveryCardIsAVirtioDeviceOnItsOwnSlotWithItsOwnAddressAndTap()
    {
        var arguments = Build(new NicSpec("52:54:00:00:00:01", "red"), new NicSpec("52:54:00:00:00:02", "blue"));
        Assert.Equal(
            [
                "-netdev", "tap,id=net0,ifname=alvtx0,script=no,downscript=no",
                "-device", "virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:01,addr=6,host_mtu=1450,romfile=",
                "-netdev", "tap,id=net1,ifname=alvtx1,script=no,downscript=no",
                "-device", "virtio-net-pci,id=nic1,netdev=net1,mac=52:54:00:00:00:02,addr=7,host_mtu=1450,romfile=",
            ],
            arguments.SkipWhile(a => a != "-netdev").Take(8));
    }

    [Fact]
    public void WhatTheGuestSeesOfACardDependsOnNothingOfTheHost()
    {
        string[] here = [.. Devices("alvtx", Accelerator.Kvm)];
        Assert.Equal(here, Devices("alvty", Accelerator.Emulation));
        Assert.Single(here);
    }

    private static IEnumerable<string> Devices(string tap, Accelerator accelerator) =>
        Build(tap, accelerator, new NicSpec("52:54:00:00:00:01", "red")).Where(a => a.StartsWith("virtio-net", StringComparison.Ordinal));

    private static ImmutableArray<string> Build(params NicSpec[] nics) => Build("alvtx", Accelerator.Emulation, nics);

    private static ImmutableArray<string> Build(string tap, Accelerator accelerator, params NicSpec[] nics) => CommandLine.Build(
        new MachineSpec
        {
            Uuid = new Guid("0f8fad5b-d9cb-469f-a165-70867728950e"), Name = "m", Cpus = 1, Memory = Bytes.FromMib(32), Nics = [.. nics],
        },
        new QemuRuntime
        {
            Program = "qemu",
            Accelerator = accelerator,
            Run = new RunDirectory("/run/x", new Guid("0f8fad5b-d9cb-469f-a165-70867728950e")),
            SerialLog = "/run/x/serial.log",
            Taps = [.. nics.Select((_, i) => $"{tap}{i}")],
        });
}
