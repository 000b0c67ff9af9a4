using Alveare.Core.Inventory;
using Alveare.Core.Placement;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Operations;
using Alveare.Model.Resources;
using Alveare.Planning.Placement;
using Alveare.Tests.Core.Machines;
using Xunit;

namespace Alveare.Tests.Core.Pools;

/// <summary>Resource pools: made, moved and destroyed, and what is promised out of them.</summary>
public sealed class PoolTests
{
    // A simulated host: eight CPUs of 2,400 MHz.
    private const long HostMegahertz = 8 * 2400;

    [Fact]
    public async Task PoolsAreATreeWhoseReservationsFitIntoEachOther()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        var outer = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "outer", CpuReservation = new(2 * HostMegahertz) });
        var fault = await site.FailAsync<InsufficientPoolReservation>(new CreatePool { Target = site.Cluster, Name = "more", CpuReservation = new(1) });
        Assert.Equal((PoolResource.Cpu, 1, 0, null), (fault.Resource, fault.Needed, fault.Free, fault.IsExpandable));
        Assert.Equal("Resource pool 'more' needs 1 MHz of CPU from cluster 'cluster', which has 0 MHz left to promise.", fault.Message);
        var inner = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "inner", Pool = outer, CpuReservation = new(1000), CpuExpandable = false });
        await site.FailAsync<DuplicateName>(new CreatePool { Target = site.Cluster, Name = "inner", Pool = outer });
        await site.FailAsync<InvalidArgument>(new MovePool { Target = outer, Into = inner });
        await site.FailAsync<InsufficientPoolReservation>(new MovePool { Target = inner, Into = site.Cluster });
        await site.SucceedAsync(new UpdatePool { Target = outer, CpuReservation = new(2 * HostMegahertz - 1000), CpuLimit = new(2 * HostMegahertz), CpuShares = 8000 });
        await site.SucceedAsync(new MovePool { Target = inner, Into = site.Cluster });
        Assert.Equal(site.Cluster, site.Now.Get<ResourcePool>(inner).Parent);
        Assert.Equal((8000, 2 * HostMegahertz), (site.Now.Get<ResourcePool>(outer).Controls.Cpu.Shares, site.Now.Get<ResourcePool>(outer).Controls.Cpu.Limit!.Value.Value));
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = outer, CpuLimit = new(1) });
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = outer, MemoryShares = -1 });
        // A cluster with pools in it is not empty.
        await site.FailAsync<InvalidState>(new RemoveContainer { Target = EntityId.Root, Object = site.Cluster });
        await site.SucceedAsync(new Rename { Target = EntityId.Root, Object = inner, Name = "batch" });
        Assert.Equal("/site/cluster/batch", site.Now.PathOf(inner));
    }

    [Fact]
    public async Task LimitsOfDisksAndNetworkAreSetAndLiftedOneByOne()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 1);
        var pool = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "prod", IopsLimit = 500, DiskBandwidthLimit = Bytes.FromMib(20), OutLimit = Bytes.FromMib(10), NicShares = 400 });
        await site.SucceedAsync(new UpdatePool { Target = pool, IopsLimit = 0, DiskShares = 8000, InLimit = Bytes.FromMib(5) });
        var controls = site.Now.Get<ResourcePool>(pool).Controls;
        Assert.Equal(new DiskControl { BandwidthLimit = Bytes.FromMib(20), Shares = 8000 }, controls.Disk);
        Assert.Equal(new PoolNetworkControl { OutLimit = Bytes.FromMib(10), InLimit = Bytes.FromMib(5), Shares = 400 }, controls.Network);
        var fault = await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, IopsLimit = 15 });
        Assert.Equal("Resource pool 'prod': the IOPS limit is 15, expected none, or 16 to 100000000 a second.", fault.Message);
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, DiskBandwidthLimit = new(-1) });
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, OutLimit = new(1) });
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, InLimit = new(long.MaxValue) });
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, NicShares = -1 });
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, DiskShares = 1_000_001 });
        Assert.Equal(controls, site.Now.Get<ResourcePool>(pool).Controls);
    }

    [Fact]
    public async Task APowerOnTakesWhatItIsPromisedOutOfItsPool()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b"), await site.CreateAsync("c")];
        var pool = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "prod", CpuReservation = new(3000), CpuExpandable = false });
        foreach (var vm in vms)
            await site.SucceedAsync(new SetResources { Target = vm, CpuReservation = new(2000) });
        foreach (var vm in vms[..2])
            await site.SucceedAsync(new MoveToPool { Target = vm, Pool = pool });
        await site.SucceedAsync(new PowerOn { Target = vms[0] });
        var fault = await site.FailAsync<InsufficientPoolReservation>(new PowerOn { Target = vms[1], Host = site.Host(2) });
        Assert.Equal("Virtual machine 'b' needs 2000 MHz of CPU from resource pool 'prod', which has 1000 MHz left to promise and is not expandable.", fault.Message);
        await site.FailAsync<NoHostFits>(new PowerOn { Target = vms[1] });
        // Beside the pool there is enough, and moving about within the cluster asks for nothing more.
        await site.SucceedAsync(new PowerOn { Target = vms[2] });
        await site.SucceedAsync(new MigrateVm { Target = vms[0] });
        await site.FailAsync<InsufficientPoolReservation>(new MoveToPool { Target = vms[2], Pool = pool });
        await site.FailAsync<InsufficientPoolReservation>(new SetResources { Target = vms[0], CpuReservation = new(3001) });
        await site.SucceedAsync(new SetResources { Target = vms[0], CpuReservation = new(3000) });
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, CpuReservation = new(2999) });
        // Expandable, it asks its cluster.
        await site.SucceedAsync(new UpdatePool { Target = pool, CpuExpandable = true });
        await site.SucceedAsync(new PowerOn { Target = vms[1] });
    }

    [Fact]
    public async Task WhatIsReservedForAPoolIsNotPromisedToOthers()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId inside = await site.CreateAsync("inside"), outside = await site.CreateAsync("outside");
        await site.SucceedAsync(new SetResources { Target = outside, CpuReservation = new(2000) });
        var pool = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "prod", CpuReservation = new((2 * HostMegahertz) - 1000) });
        var fault = await site.FailAsync<InsufficientPoolReservation>(new PowerOn { Target = outside, Host = site.Host(1) });
        Assert.Equal((2000, 1000), (fault.Needed, fault.Free));
        await site.SucceedAsync(new PowerOn { Target = inside });
        await site.SucceedAsync(new DestroyPool { Target = pool });
        await site.SucceedAsync(new PowerOn { Target = outside });
    }

    [Fact]
    public async Task TwoThatStartAtOnceAreNotPromisedTheSame()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        EntityId[] vms = [await site.CreateAsync("a", host: 1), await site.CreateAsync("b", host: 2)];
        var pool = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "prod", MemoryReservation = Bytes.FromMib(150), MemoryExpandable = false });
        foreach (var vm in vms)
        {
            await site.SucceedAsync(new SetResources { Target = vm, MemoryReservation = Bytes.FromMib(100) });
            await site.SucceedAsync(new MoveToPool { Target = vm, Pool = pool });
        }

        var held = site.Hosts.Hold<StartMachine>();
        var first = await site.SubmitAsync(new PowerOn { Target = vms[0] });
        await held.ArrivedAsync();
        var fault = await site.FailAsync<InsufficientPoolReservation>(new PowerOn { Target = vms[1], Host = site.Host(2) });
        Assert.Equal((PoolResource.Memory, Bytes.FromMib(50).Value), (fault.Resource, fault.Free));
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, MemoryReservation = Bytes.FromMib(99) });
        held.Release();
        await site.EndAsync(first);
        Assert.Equal(PowerState.On, site.Vm(vms[0]).Power);
    }

    [Fact]
    public async Task ADestroyedPoolLeavesWhatIsInItToTheOneAbove()
    {
        await using var site = await MachineSite.OpenAsync();
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b", on: true)];
        var outer = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "outer" });
        var inner = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "inner", Pool = outer });
        var innermost = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "innermost", Pool = inner });
        foreach (var vm in vms)
            await site.SucceedAsync(new MoveToPool { Target = vm, Pool = inner });
        await site.SucceedAsync(new DestroyPool { Target = inner });
        Assert.Equal([outer, outer], vms.Select(v => site.Vm(v).Pool!.Value));
        Assert.Equal(outer, site.Now.Get<ResourcePool>(innermost).Parent);
        await site.SucceedAsync(new DestroyPool { Target = outer });
        Assert.All(vms, v => Assert.Null(site.Vm(v).Pool));
        Assert.Equal(site.Cluster, site.Now.Get<ResourcePool>(innermost).Parent);
    }

    [Fact]
    public async Task AMachineIsMadeInAPoolOnAHostOfItsCluster()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 2);
        var other = (await site.SucceedAsync(new CreateCluster { Target = site.Datacenter, Name = "other" })).Result!.Value;
        await site.SucceedAsync(new Move { Target = EntityId.Root, Object = site.Host(2), Into = other });
        var pool = await CreateAsync(site, new CreatePool { Target = other, Name = "prod", CpuReservation = new(1000), CpuExpandable = false });
        var made = (await site.SucceedAsync(site.Creation("a") with { Location = pool })).Result!.Value;
        Assert.Equal((pool, site.Host(2)), (site.Vm(made).Pool, site.Vm(made).Host));
        // A clone is promised what its source is, and there is not so much left for both.
        await site.SucceedAsync(new SetResources { Target = made, CpuReservation = new(600) });
        var clone = (await site.SucceedAsync(new CloneVm { Target = made, Name = "b", Location = pool, PowerOn = true })).Result!.Value;
        Assert.Equal((pool, PowerState.On), (site.Vm(clone).Pool, site.Vm(clone).Power));
        await site.FailAsync<InsufficientPoolReservation>(new PowerOn { Target = made, Host = site.Host(2) });
        // That is said before anything is copied, and the clone called by the name it would have had.
        var refused = await site.FailAsync<NoHostFits>(new CloneVm { Target = made, Name = "c", Location = pool, PowerOn = true });
        Assert.Contains("Virtual machine 'c' needs 600 MHz", Assert.Single(refused.Refusals).Reason, StringComparison.Ordinal);
        Assert.DoesNotContain(site.Now.OfType<VirtualMachine>(), v => v.Name == "c");
        await site.SucceedAsync(new UnregisterVm { Target = made });
        await site.SucceedAsync(new RegisterVm { Target = site.Datacenter, Datastore = site.Datastore, Path = "a/a.vmx", Location = pool });
        Assert.Equal(pool, site.Vm(made).Pool);
    }

    [Fact]
    public async Task ClonesThatAreMadeAtOnceAreStartedWhereTheCpuTheyArePromisedIs()
    {
        await using var site = await MachineSite.OpenAsync();
        await site.CreateAsync("big", host: 2, on: true, memory: Bytes.FromGib(2));
        var source = await site.CreateAsync("source");
        await site.SucceedAsync(new SetResources { Target = source, CpuReservation = new(site.Now.Get<Host>(site.Host(1)).Facts!.CpuCapacity.Value / 3 * 2) });
        var held = site.Hosts.Hold<CloneMachine>();
        var first = await site.SubmitAsync(new CloneVm { Target = source, Name = "a", PowerOn = true });
        await held.ArrivedAsync();
        await site.SucceedAsync(new CloneVm { Target = source, Name = "b", PowerOn = true });
        // One that stays off is promised nothing yet.
        await site.SucceedAsync(new CloneVm { Target = source, Name = "c" });
        held.Release();
        await site.EndAsync(first);
        Assert.Equal([(site.Host(1), PowerState.On), (site.Host(2), PowerState.On)], ((string[])["a", "b"]).Select(n => (site.Vm(n).Host!.Value, site.Vm(n).Power)));
    }

    [Fact]
    public async Task AMachineThatLeavesItsClusterLeavesItsPool()
    {
        await using var site = await MachineSite.OpenAsync(hosts: 3);
        EntityId[] vms = [await site.CreateAsync("a"), await site.CreateAsync("b", on: true), await site.CreateAsync("c", host: 2)];
        var other = (await site.SucceedAsync(new CreateCluster { Target = site.Datacenter, Name = "other" })).Result!.Value;
        await site.SucceedAsync(new Move { Target = EntityId.Root, Object = site.Host(3), Into = other });
        var pool = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "prod" });
        var elsewhere = await CreateAsync(site, new CreatePool { Target = other, Name = "prod" });
        await site.FailAsync<InvalidArgument>(new MoveToPool { Target = vms[0], Pool = elsewhere });
        await site.FailAsync<InvalidArgument>(new MovePool { Target = pool, Into = other });
        foreach (var vm in vms)
            await site.SucceedAsync(new MoveToPool { Target = vm, Pool = pool });
        await site.SucceedAsync(new MigrateVm { Target = vms[0], Host = site.Host(3) });
        await site.SucceedAsync(new MigrateVm { Target = vms[1], Host = site.Host(3) });
        Assert.All(vms[..2], v => Assert.Null(site.Vm(v).Pool));
        await site.SucceedAsync(new Move { Target = EntityId.Root, Object = site.Host(2), Into = other });
        Assert.Null(site.Vm(vms[2]).Pool);
        await site.SucceedAsync(new MoveToPool { Target = vms[2], Pool = elsewhere });
        await site.KillAndRestartAsync();
        Assert.Equal(elsewhere, site.Vm(vms[2]).Pool);
    }

    [Fact]
    public async Task AStartSeesAChangeOfItsPoolThatIsNotOnDiskYet()
    {
        await using var site = await MachineSite.OpenAsync();
        var (vm, pool) = await GuardedAsync(site, "a", new(2000));
        using var hold = site.Store.Hold();
        var narrowed = WithReservationAsync(site, pool, new(1000));
        Assert.Equal(2000, site.Now.Get<ResourcePool>(pool).Controls.Cpu.Reservation.Value);
        var fault = Assert.Throws<HostRefusedException>(() => Promise(new HostRooms(site.Engine.Inventory, site.Engine.Statistics), site, vm)).Fault;
        Assert.Equal(1000, Assert.IsType<InsufficientPoolReservation>(fault).Free);
        hold.Release();
        await narrowed;
    }

    [Fact]
    public async Task WhatWasPromisedByAChangeThatNeverReachesTheDiskIsNotPromised()
    {
        await using var site = await MachineSite.OpenAsync();
        var (vm, pool) = await GuardedAsync(site, "a", new(1000));
        var rooms = new HostRooms(site.Engine.Inventory, site.Engine.Statistics);
        using var hold = site.Store.Hold();
        site.Store.IsFull = true;
        var widened = WithReservationAsync(site, pool, new(2000));
        var promised = Promise(rooms, site, vm).SettleAsync();
        Assert.False(promised.IsCompleted);
        hold.Release();
        await Assert.ThrowsAsync<FaultException>(() => widened);
        await Assert.ThrowsAsync<FaultException>(() => promised);
        site.Store.IsFull = false;
        // What the host said meanwhile did not reach the disk either, if it said anything.
        await site.UntilAsync(now => now.Get<Host>(site.Host(1)).Connection == HostConnection.Connected, "the host is connected");
        Assert.Throws<HostRefusedException>(() => Promise(rooms, site, vm));
        await WithReservationAsync(site, pool, new(2000));
        using var kept = await Promise(rooms, site, vm).SettleAsync();
        Assert.Equal(site.Host(1), kept.Host);
    }

    [Fact]
    public async Task AChangeOfAPoolSeesAStartThatIsUnderWay()
    {
        await using var site = await MachineSite.OpenAsync();
        var (vm, pool) = await GuardedAsync(site, "a", new(2000));
        var held = site.Hosts.Hold<StartMachine>();
        var start = await site.SubmitAsync(new PowerOn { Target = vm });
        await held.ArrivedAsync();
        await site.FailAsync<InvalidArgument>(new UpdatePool { Target = pool, CpuReservation = new(1000) });
        held.Release();
        await site.EndAsync(start);
        Assert.Equal(PowerState.On, site.Vm(vm).Power);
    }

    // A machine that is off, promised 2,000 MHz, in a pool of its own that cannot expand.
    private static async Task<(EntityId Vm, EntityId Pool)> GuardedAsync(MachineSite site, string name, Megahertz reservation)
    {
        var vm = await site.CreateAsync(name);
        await site.SucceedAsync(new SetResources { Target = vm, CpuReservation = new(2000) });
        var pool = await CreateAsync(site, new CreatePool { Target = site.Cluster, Name = "prod", CpuReservation = reservation, CpuExpandable = false });
        await site.SucceedAsync(new MoveToPool { Target = vm, Pool = pool });
        return (vm, pool);
    }

    private static Task<InventorySnapshot> WithReservationAsync(MachineSite site, EntityId id, Megahertz reservation) => site.Engine.Inventory.ApplyAsync(now =>
        now.Get<ResourcePool>(id) is var pool ? InventoryEdit.Of(pool with { Controls = pool.Controls with { Cpu = pool.Controls.Cpu with { Reservation = reservation } } }) : InventoryEdit.Nothing);

    private static PromisedRoom Promise(HostRooms rooms, MachineSite site, EntityId id)
    {
        var vm = site.Vm(id);
        var needs = MachineNeeds.Of(vm.Spec!, site.Datastore, "shared");
        return rooms.Promise([new(id, needs.Memory, vm.Spec!.Resources)], now => [now.Get<Host>(site.Host(1))], found => MachinePlacement.Choose(needs, found, isNamed: true));
    }

    private static async Task<EntityId> CreateAsync(MachineSite site, CreatePool operation) => (await site.SucceedAsync(operation)).Result!.Value;
}
