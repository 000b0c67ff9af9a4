using System.Collections.Immutable;
using Alveare.Kvm.Cgroups;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Kvm.Cgroups;

/// <summary>What the machines of a host are held to together.</summary>
public sealed class SharingTests
{
    private static readonly CpuSharing Cpu = new(new Megahertz(2000), new Megahertz(8000));
    private static readonly MemorySharing Memory = new(Bytes.FromGib(8));
    private static readonly Bytes Least = MachineLimits.MinMemoryLimit;

    [Fact]
    public void WhatAPoolLeavesToAMachineIsALimitAsItsOwnAndTheSmallerCounts()
    {
        var limited = new ResourceControls { Cpu = new CpuControl { Limit = new Megahertz(400) } };
        Assert.Equal(0.1, CpusOf(limited, new CpuControl { Limit = new Megahertz(200) }));
        Assert.Equal(0.2, CpusOf(limited, new CpuControl { Limit = new Megahertz(800) }));
        Assert.Equal(0.4, CpusOf(ResourceControls.None, new CpuControl { Limit = new Megahertz(800) }));
        Assert.Null(CpusOf(ResourceControls.None, new CpuControl()));

        double? CpusOf(ResourceControls resources, CpuControl pool) => Cpu.Divide([Running(1, resources: resources)], [Pool(new MemoryControl(), 1) with { Cpu = pool }])[Vm(1)].Cpus;
    }

    [Fact]
    public void WithoutAClockThereIsNoLimitAndSharesCount()
    {
        var sharing = new CpuSharing(Megahertz.Zero, Megahertz.Zero);
        var limits = sharing.Divide([Running(1, resources: new ResourceControls { Cpu = new CpuControl { Limit = new Megahertz(400), Shares = 3000 } }), Running(2)], []);
        Assert.Equal((new CpuLimits(3000, null), new CpuLimits(1000, null)), (limits[Vm(1)], limits[Vm(2)]));
    }

    [Fact]
    public void WhatIsDueGoesByWhatMachinesWorkWithAndIsNotLessThanIsPromised()
    {
        var promised = new ResourceControls { Memory = new MemoryControl { Reservation = Bytes.FromMib(512) } };
        var limits = Memory.Divide([Running(1, worked: 300), Running(2, worked: 100, resources: promised), Running(3)], []);
        Assert.Equal(new MemoryLimits(Bytes.Zero, Bytes.FromMib(300), null), limits[Vm(1)]);
        Assert.Equal(new MemoryLimits(Bytes.FromMib(512), Bytes.FromMib(512), null), limits[Vm(2)]);
        Assert.Equal(new MemoryLimits(Bytes.Zero, Bytes.FromMib(1024), null), limits[Vm(3)]);
    }

    [Fact]
    public void WhereTheHostIsShortWhatIsDueGoesBySharesThroughPools()
    {
        // The pool weighs as much as the machine beside it: of 8 GiB its two have 2 GiB each.
        var normal = new MemoryControl { Shares = 10 * 16_384 };
        var limits = Memory.Divide([.. new[] { 1, 2, 3 }.Select(n => Running(n, memory: 16_384))], [Pool(normal, 1, 2)]);
        Assert.Equal([Bytes.FromGib(2), Bytes.FromGib(2), Bytes.FromGib(4)], new[] { 1, 2, 3 }.Select(n => limits[Vm(n)].Due));
    }

    [Fact]
    public void ThePartsOfALimitAreTheLimitUnlessMoreIsTakenAlready() =>
        Gen.Select(Gen.Long[32, 4096], Gen.Long[0, 4096], Gen.Long[128, 4096].Nullable(), Gen.Long[128, 4096].Nullable()).Array[1, 6].Select(Gen.Long[1, 8192]).Sample((drawn, limit) =>
        {
            var sharers = drawn.Select((d, n) => Running(
                n, memory: d.Item1, taken: d.Item2, resources: new ResourceControls { Memory = new MemoryControl { Limit = d.Item3 is { } own ? Bytes.FromMib(own) : null } },
                most: d.Item4)).ToList();
            var limits = Memory.Divide(sharers, [Pool(new MemoryControl { Limit = Bytes.FromMib(limit) }, [.. Enumerable.Range(0, drawn.Length)])]);
            var floors = sharers.Sum(s => Math.Min(Math.Max(s.Held.Value, Least.Value), s.Spec.Resources.Memory.Limit?.Value ?? long.MaxValue));
            Assert.True(limits.Values.Sum(l => l.Most!.Value.Value) <= Math.Max(Bytes.FromMib(limit).Value, floors) + sharers.Count);
            Assert.All(sharers, s =>
            {
                var (most, own) = (limits[s.Machine].Most!.Value, s.Spec.Resources.Memory.Limit ?? new Bytes(long.MaxValue));
                Assert.True(most <= own);
                Assert.True(most >= own || (most >= s.Held && most >= Least));
            });
        });

    [Fact]
    public void AMachinesOwnLimitStandsWithoutAnyPool()
    {
        var own = new ResourceControls { Memory = new MemoryControl { Limit = Bytes.FromMib(300) } };
        Assert.Equal(Bytes.FromMib(300), Memory.Divide([Running(1, taken: 400, resources: own)], [])[Vm(1)].Most);
    }

    [Fact]
    public void APoolOfWhichNothingIsSaidAboutMemoryHoldsNobody()
    {
        var pool = new HostPool(new EntityId(EntityKind.ResourcePool, Guid.NewGuid()), null, new CpuControl(), [Vm(1)]);
        Assert.Equal(Memory.Divide([Running(1), Running(2)], []), Memory.Divide([Running(1), Running(2)], [pool]));
    }

    [Fact]
    public void WhoLeavesAPoolOrWhoseLimitIsLiftedIsFree()
    {
        var (limit, sharers) = (new MemoryControl { Limit = Bytes.FromMib(600) }, new[] { Running(1, most: 300), Running(2, most: 300) });
        var one = Memory.Divide(sharers, [Pool(limit, 1)]);
        Assert.Equal((Bytes.FromMib(600), default(Bytes?)), (one[Vm(1)].Most, one[Vm(2)].Most));
        Assert.All(Memory.Divide(sharers, [Pool(new MemoryControl(), 1, 2)]).Values, l => Assert.Null(l.Most));
    }

    [Fact]
    public void ALimitFollowsAProcessDown()
    {
        var pool = Pool(new MemoryControl { Limit = Bytes.FromMib(600) }, 1, 2);
        Assert.Equal((500, 200), Mosts(taken: 500));
        Assert.Equal((400, 200), Mosts(taken: 400));

        (long, long) Mosts(long taken)
        {
            var limits = Memory.Divide([Running(1, taken: taken, most: 500), Running(2, taken: 200, most: 200)], [pool]);
            return (limits[Vm(1)].Most!.Value.Mib, limits[Vm(2)].Most!.Value.Mib);
        }
    }

    [Fact]
    public void WhoHasMoreThanItsLimitDoesNotRaiseItByThat()
    {
        var pool = Pool(new MemoryControl { Limit = Bytes.FromMib(600) }, 1, 2);
        var limits = Memory.Divide([Running(1, taken: 330, most: 300), Running(2, taken: 330, most: 300)], [pool]);
        Assert.All(limits.Values, l => Assert.Equal(Bytes.FromMib(300), l.Most));
    }

    [Fact]
    public void AGuestThatCanGiveBackIsAskedForWhatIsBeyondItsPartAndItsLimitFollowsItDown()
    {
        var pool = Pool(new MemoryControl { Limit = Bytes.FromMib(640) }, 1, 2);
        // One has filled the pool before the other was started: each is to have half.
        var full = Memory.Divide([Ballooning(1, taken: 600, ballooned: 0, most: 616), Ballooning(2, taken: 120, ballooned: 0, most: 128)], [pool]);
        Assert.Equal((Bytes.FromMib(616), Bytes.FromMib(320 - 60 - 16)), (full[Vm(1)].Most, full[Vm(1)].Guest));
        Assert.Equal((Bytes.FromMib(128), Bytes.FromMib(320 - 60 - 16)), (full[Vm(2)].Most, full[Vm(2)].Guest));

        var shrinking = Memory.Divide([Ballooning(1, taken: 400, ballooned: 684, most: 616), Ballooning(2, taken: 128, ballooned: 780, most: 128)], [pool]);
        Assert.Equal((Bytes.FromMib(416), Bytes.FromMib(224)), (shrinking[Vm(1)].Most, shrinking[Vm(2)].Most));

        var there = Memory.Divide([Ballooning(1, taken: 304, ballooned: 780, most: 320), Ballooning(2, taken: 304, ballooned: 780, most: 320)], [pool]);
        Assert.All(there.Values, l => Assert.Equal((Bytes.FromMib(320), Bytes.FromMib(244)), (l.Most, l.Guest)));
    }

    [Fact]
    public void AGuestOnItsWayBelowItsMachinesOwnLimitIsNotHeldToLessThanItTakes()
    {
        var own = new ResourceControls { Memory = new MemoryControl { Limit = Bytes.FromMib(300) } };
        Assert.Equal((Bytes.FromMib(416), Bytes.FromMib(224)), Held(Ballooning(1, taken: 400, ballooned: 0, resources: own)));
        Assert.Equal((Bytes.FromMib(366), Bytes.FromMib(224)), Held(Ballooning(1, taken: 350, ballooned: 700, resources: own, most: 416)));
        Assert.Equal((Bytes.FromMib(300), Bytes.FromMib(224)), Held(Ballooning(1, taken: 284, ballooned: 800, resources: own, most: 366)));
        // One that needs more than the limit is held to it all the same.
        Assert.Equal(Bytes.FromMib(300), Held(Ballooning(1, taken: 400, ballooned: 0, used: 600, resources: own)).Most);
        // And one that has no limit any more gets its memory back.
        Assert.Equal((null, Bytes.FromMib(1024)), Held(Ballooning(1, taken: 284, ballooned: 800, most: 300)));

        static (Bytes? Most, Bytes? Guest) Held(Sharer sharer) => Memory.Divide([sharer], [])[sharer.Machine] is var limits ? (limits.Most, limits.Guest) : default;
    }

    private static Sharer Ballooning(int number, long taken, long ballooned, long used = 100, ResourceControls? resources = null, long? most = null) =>
        Running(number, taken: taken, resources: resources, most: most) with
        {
            Guest = new BalloonedGuest(Bytes.FromMib(1024).Value, Bytes.FromMib(ballooned).Value, Bytes.FromMib(used).Value, Bytes.FromMib(60).Value),
        };

    private static Sharer Running(int number, long memory = 1024, long taken = 0, long? worked = null, ResourceControls? resources = null, long? most = null) => new(
        Vm(number),
        new MachineSpec { Uuid = Guid.NewGuid(), Name = $"vm{number}", Cpus = 1, Memory = Bytes.FromMib(memory), Resources = resources ?? ResourceControls.None },
        Bytes.FromMib(taken),
        worked is { } mib ? new MachineDemand(1, Bytes.FromMib(mib)) : null,
        most is { } held ? new GroupLimits(new CpuLimits(1000, null), new MemoryLimits(Bytes.Zero, Bytes.Zero, Bytes.FromMib(held))) : null);

    private static HostPool Pool(MemoryControl memory, params ImmutableArray<int> machines) =>
        new(new EntityId(EntityKind.ResourcePool, new Guid(9, 0, 0, new byte[8])), null, new CpuControl(), [.. machines.Select(Vm)]) { Memory = memory };

    private static EntityId Vm(int number) => EntityId.Vm(new Guid(number, 0, 0, new byte[8]));
}
