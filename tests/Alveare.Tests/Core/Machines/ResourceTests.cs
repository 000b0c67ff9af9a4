using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Resources;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>What machines are promised and held to, and that no host promises more than it has.</summary>
public sealed class ResourceTests
{
    // A simulated host: eight CPUs of 2,400 MHz.
    private const long HostMegahertz = 8 * 2400;

    [Fact]
    public async Task ControlsAreChangedOneByOneAlsoWhileAMachineRuns()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("a", on: true);
        await site.SucceedAsync(new SetResources { Target = id, CpuReservation = new(1000), CpuShares = 500 });
        await site.SucceedAsync(new SetResources { Target = id, CpuLimit = new(2000), MemoryReservation = Bytes.FromMib(64) });
        var resources = site.Vm(id).Spec!.Resources;
        Assert.Equal((1000, 2000, 500, 64), (resources.Cpu.Reservation.Value, resources.Cpu.Limit!.Value.Value, resources.Cpu.Shares, resources.Memory.Reservation.Mib));
        await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal(resources, site.Vm(id).Spec!.Resources);
        await site.SucceedAsync(new SetResources { Target = id, CpuLimit = new(0), CpuShares = 0 });
        Assert.Equal((null, (int?)null), (site.Vm(id).Spec!.Resources.Cpu.Limit, site.Vm(id).Spec!.Resources.Cpu.Shares));
    }

    [Fact]
    public async Task SharesAreGivenInNumbersOrInWords()
    {
        await using var site = await MachineSite.OpenAsync();
        // Two CPUs, 512 MiB.
        var id = await site.CreateAsync("a");
        async Task<(int?, int?)> SetAsync(SetResources operation)
        {
            await site.SucceedAsync(operation);
            return (site.Vm(id).Spec!.Resources.Cpu.Shares, site.Vm(id).Spec!.Resources.Memory.Shares);
        }

        Assert.Equal((4000, 2560), await SetAsync(new SetResources { Target = id, CpuShareLevel = ShareLevel.High, MemoryShareLevel = ShareLevel.Low }));
        Assert.Equal((null, 77), await SetAsync(new SetResources { Target = id, CpuShareLevel = ShareLevel.Normal, MemoryShares = 77 }));
        Assert.Equal((1000, null), await SetAsync(new SetResources { Target = id, CpuShareLevel = ShareLevel.Low, MemoryShares = 0, MemoryLimit = Bytes.FromMib(256) }));
        Assert.Equal(256, site.Vm(id).Spec!.Resources.Memory.Limit!.Value.Mib);
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, MemoryReservation = Bytes.FromMib(300) });
        await site.SucceedAsync(new SetResources { Target = id, MemoryLimit = Bytes.Zero });
        Assert.Null(site.Vm(id).Spec!.Resources.Memory.Limit);
    }

    [Fact]
    public async Task WhatMakesNoSenseIsRefusedAndNothingChanges()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("a");
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, CpuReservation = new(-1) });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, CpuReservation = new(2000), CpuLimit = new(1000) });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, CpuShares = -5 });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, CpuShares = int.MaxValue });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, MemoryReservation = Bytes.FromGib(64) });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, MemoryLimit = Bytes.FromMib(127) });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, MemoryShares = -1 });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, CpuLimit = new(long.MaxValue) });
        Assert.Equal(ResourceControls.None, site.Vm(id).Spec!.Resources);
    }

    [Fact]
    public async Task DisksAreControlledOneByOneOrAllAtOnce()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("a");
        await site.SucceedAsync(new ReconfigureVm { Target = id, AddDisks = [Bytes.FromGib(1), Bytes.FromGib(1)] });
        var count = site.Vm(id).Spec!.Disks.Length;
        await site.SucceedAsync(new PowerOn { Target = id });
        await site.SucceedAsync(new SetResources { Target = id, IopsLimit = 500 });
        await site.SucceedAsync(new SetResources { Target = id, Disk = count, IopsLimit = 0, DiskBandwidthLimit = Bytes.FromMib(20), DiskShares = 2000 });
        DiskControl[] wanted =
        [
            .. Enumerable.Repeat(new DiskControl { IopsLimit = 500 }, count - 1), new DiskControl { BandwidthLimit = Bytes.FromMib(20), Shares = 2000 },
        ];
        Assert.Equal(wanted, site.Vm(id).Spec!.Disks.Select(d => d.Control));
        await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal(wanted, site.Vm(id).Spec!.Disks.Select(d => d.Control));

        var beyond = await site.FailAsync<InvalidArgument>(new SetResources { Target = id, Disk = count + 1, IopsLimit = 100 });
        Assert.Equal($"1 to {count}", beyond.Expected);
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, Disk = 0, IopsLimit = 100 });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, IopsLimit = 15 });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, IopsLimit = -1 });
        Assert.Equal("1 KiB/s", (await site.FailAsync<InvalidArgument>(new SetResources { Target = id, DiskBandwidthLimit = new Bytes(1024) })).Given);
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, DiskShares = -1 });
        Assert.Equal(wanted, site.Vm(id).Spec!.Disks.Select(d => d.Control));
        await site.SucceedAsync(new SetResources { Target = id, IopsLimit = 0, DiskBandwidthLimit = Bytes.Zero, DiskShares = 0 });
        Assert.All(site.Vm(id).Spec!.Disks, d => Assert.Equal(DiskControl.None, d.Control));
    }

    [Fact]
    public async Task NetworkCardsAreControlledByDirection()
    {
        await using var site = await MachineSite.OpenAsync();
        var id = await site.CreateAsync("a");
        await site.SucceedAsync(new ReconfigureVm { Target = id, PortGroups = [] });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, OutLimit = Bytes.FromMib(1) });
        await site.SucceedAsync(new ReconfigureVm { Target = id, PortGroups = [MachineSite.PortGroup, MachineSite.PortGroup] });
        await site.SucceedAsync(new PowerOn { Target = id });
        await site.SucceedAsync(new SetResources { Target = id, OutLimit = Bytes.FromMib(1) });
        await site.SucceedAsync(new SetResources { Target = id, Nic = 2, OutPeak = Bytes.FromMib(2), OutBurst = Bytes.FromMib(3), InLimit = Bytes.FromMib(4), NicShares = 100 });
        NicControl[] wanted =
        [
            new() { Out = new TrafficShaping(Bytes.FromMib(1)) },
            new() { Out = new TrafficShaping(Bytes.FromMib(1), Bytes.FromMib(2), Bytes.FromMib(3)), In = new TrafficShaping(Bytes.FromMib(4)), Shares = 100 },
        ];
        Assert.Equal(wanted, site.Vm(id).Spec!.Nics.Select(n => n.Control));
        await site.SucceedAsync(new MigrateVm { Target = id });
        Assert.Equal(wanted, site.Vm(id).Spec!.Nics.Select(n => n.Control));

        Assert.Equal("1 to 2", (await site.FailAsync<InvalidArgument>(new SetResources { Target = id, Nic = 3, InLimit = Bytes.FromMib(1) })).Expected);
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, InLimit = new Bytes(1) });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, OutPeak = Bytes.FromMib(1) - new Bytes(1) });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, OutBurst = new Bytes(100) });
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, NicShares = 101 });
        // A burst of what is not limited.
        await site.FailAsync<InvalidArgument>(new SetResources { Target = id, InBurst = Bytes.FromMib(1) });
        Assert.Equal(wanted, site.Vm(id).Spec!.Nics.Select(n => n.Control));
        await site.SucceedAsync(new SetResources { Target = id, OutLimit = Bytes.Zero, InLimit = Bytes.Zero, NicShares = 0 });
        Assert.All(site.Vm(id).Spec!.Nics, n => Assert.Equal(NicControl.None, n.Control));
    }

    [Fact]
    public async Task APromiseThatAHostCannotKeepIsRefusedWithTheNumbers()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b"), await site.CreateAsync("c")];
        foreach (var vm in vms)
            await site.SucceedAsync(new SetResources { Target = vm, CpuReservation = new(HostMegahertz - 200) });
        await site.SucceedAsync(new PowerOn { Target = vms[0], Host = site.Host(1) });
        var fault = await site.FailAsync<InsufficientReservation>(new PowerOn { Target = vms[1], Host = site.Host(1) });
        Assert.Equal((HostMegahertz - 200, 200), (fault.Needed.Value, fault.Free.Value));
        // Placement takes the other host; then there is none.
        await site.SucceedAsync(new PowerOn { Target = vms[1] });
        Assert.Equal(site.Host(2), site.Vm(vms[1]).Host);
        await site.FailAsync<NoHostFits>(new PowerOn { Target = vms[2] });
        await site.FailAsync<InsufficientReservation>(new MigrateVm { Target = vms[0], Host = site.Host(2) });

        // What runs is not promised more than there is, and gives back what it does not need.
        await site.FailAsync<InsufficientReservation>(new SetResources { Target = vms[0], CpuReservation = new(HostMegahertz + 1) });
        await site.SucceedAsync(new SetResources { Target = vms[0], CpuReservation = new(200) });
        await site.SucceedAsync(new PowerOn { Target = vms[2], Host = site.Host(1) });
        Assert.Equal(PowerState.On, site.Vm(vms[2]).Power);
    }
}
