using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Planning.Placement;
using Alveare.Planning.Power;
using Alveare.Planning.Rules;
using Xunit;

namespace Alveare.Tests.Planning.Power;

/// <summary>Which host is woken for a machine.</summary>
public sealed class WakeChoiceTests
{
    private static readonly EntityId Datastore = EntityId.Datastore(new Guid(9, 0, 0, new byte[8]));

    [Fact]
    public void TheSmallestThatTakesTheMachineWhateverTheirOrder()
    {
        HostRoom[] hosts = [Asleep(1, gib: 64), Asleep(2, gib: 16), Asleep(3, gib: 8), Asleep(4, gib: 16)];
        Assert.Equal(hosts[1].Id, WakeChoice.For(Needs(12), [.. hosts]));
        Assert.Equal(hosts[1].Id, WakeChoice.For(Needs(12), [.. hosts.Reverse()]));
        Assert.Equal(hosts[2].Id, WakeChoice.For(Needs(8), [.. hosts]));
        Assert.Null(WakeChoice.For(Needs(65), [.. hosts]));
        Assert.Null(WakeChoice.For(Needs(1), []));
    }

    [Fact]
    public void OneThatIsComingIsWaitedForBeforeOneIsWoken()
    {
        HostRoom[] hosts = [Asleep(1, gib: 16), Asleep(2, gib: 64) with { Standby = HostStandby.Exiting }];
        Assert.Equal(hosts[1].Id, WakeChoice.For(Needs(12), [.. hosts]));
    }

    [Fact]
    public void OneOnWhichItMayNotRunIsNotWoken()
    {
        var host = Asleep(1, gib: 16);
        Assert.Null(WakeChoice.For(Needs(1), [host with { BrokenRules = [new BrokenRule("r", "by rule 'r'", new RuleChange(1, 0)) { IsWorse = true }] }]));
        Assert.Null(WakeChoice.For(Needs(1), [host with { Datastores = [] }]));
    }

    [Fact]
    public void WhatTheClusterLacksIsMadeUpByAHostAsLargeAsThatAndWhatAPoolLacksIsNot()
    {
        var (fitting, too) = (Shortage(12, isExpandable: null), Shortage(17, isExpandable: null));
        Assert.NotNull(WakeChoice.For(Needs(1), [Asleep(1, gib: 16) with { PoolShortages = [fitting] }]));
        Assert.Null(WakeChoice.For(Needs(1), [Asleep(1, gib: 16) with { PoolShortages = [too] }]));
        Assert.Null(WakeChoice.For(Needs(1), [Asleep(1, gib: 16) with { PoolShortages = [Shortage(1, isExpandable: false)] }]));
    }

    private static InsufficientPoolReservation Shortage(long gib, bool? isExpandable) =>
        new("vm", "cluster 'c'", PoolResource.Memory, Bytes.FromGib(gib + 2).Value, Bytes.FromGib(2).Value, isExpandable);

    private static MachineNeeds Needs(long gib) => new("vm", Bytes.FromGib(gib), Datastore, "ds", [], []);

    private static HostRoom Asleep(byte number, long gib) => new()
    {
        Id = EntityId.Host(new Guid(number, 0, 0, new byte[8])),
        Name = $"h{number}",
        Problem = "it is in standby",
        Standby = HostStandby.In,
        MemoryForGuests = Bytes.FromGib(gib),
        CpuCapacity = new Megahertz(1000),
        Datastores = [new HostDatastore { Id = Datastore, Name = "ds", Path = "/ds" }],
    };
}
