using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Planning.Placement;
using Alveare.Planning.Rules;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Placement;

public sealed class PlacerProperties
{
    private static readonly MachineNeeds Small = new("small", Bytes.FromGib(1), PlanningGen.Shared, "shared", [], []);

    [Fact]
    public void TheOrderOfTheHostsDoesNotMatter() => Gen.Select(PlanningGen.Needs, PlanningGen.Hosts, Gen.Int).Sample((needs, hosts, seed) =>
    {
        var shuffled = hosts.OrderBy(h => HashCode.Combine(h.Id, seed)).ToArray();
        var (one, other) = (Placer.Choose(needs, hosts), Placer.Choose(needs, shuffled));
        Assert.Equal(one.Host, other.Host);
        Assert.Equal(one.Refusals.AsEnumerable(), other.Refusals);
    });

    [Fact]
    public void NoHostPromisesMoreMemoryThanItHas() => Gen.Select(PlanningGen.Needs, PlanningGen.Hosts).Sample((needs, hosts) =>
    {
        if (Placer.Choose(needs, hosts).Host is { } id)
        {
            var chosen = hosts.Single(h => h.Id == id);
            Assert.True(chosen.MemoryPromised + needs.Memory <= chosen.MemoryForGuests);
        }
    });

    [Fact]
    public void EveryHostIsFitOrRefusedWithAReason() => Gen.Select(PlanningGen.Needs, PlanningGen.Hosts).Sample((needs, hosts) =>
    {
        var answer = Placer.Choose(needs, hosts);
        foreach (var host in hosts)
        {
            var refusal = answer.Refusals.SingleOrDefault(r => r.Host == host.Id);
            Assert.Equal(HostFit.Check(needs, host).IsEmpty, refusal is null);
            Assert.True(refusal is null || refusal.Reason.Length > 10);
        }

        Assert.Equal(answer.Host is null, answer.Refusals.Length == hosts.Length);
    });

    [Fact]
    public void TheChosenHostIsTheLeastLoadedThatFits() => Gen.Select(PlanningGen.Needs, PlanningGen.Hosts).Sample((needs, hosts) =>
    {
        if (Placer.Choose(needs, hosts).Host is not { } id)
            return;
        var least = hosts.Where(h => HostFit.Check(needs, h).IsEmpty).Min(h => Placer.Load(needs, h));
        Assert.Equal(least, Placer.Load(needs, hosts.Single(h => h.Id == id)));
    });

    [Fact]
    public void WhereNobodyEvensOutLoadThePreferredHostIsTakenExactlyWhenItFits() => Gen.Select(PlanningGen.Needs, PlanningGen.Hosts).Where((_, h) => !h.IsEmpty).Sample((needs, hosts) =>
    {
        var preferred = hosts[0];
        var answer = Placer.Choose(needs, hosts, new PreferredHost(preferred.Id, IsAtAnyLoad: true));
        Assert.Equal(HostFit.Check(needs, preferred).IsEmpty, answer.Host == preferred.Id);
    });

    [Fact]
    public void ThePreferredHostIsTakenExactlyWhenItFitsAndIsNotMuchMoreLoadedThanTheBest() =>
        Gen.Select(PlanningGen.Needs, PlanningGen.Hosts).Where((_, h) => !h.IsEmpty).Sample((needs, hosts) =>
        {
            var preferred = hosts[0];
            var (answer, best) = (Placer.Choose(needs, hosts, new PreferredHost(preferred.Id)), Placer.Choose(needs, hosts));
            var load = Placer.Load(needs, preferred);
            var isTaken = HostFit.Check(needs, preferred).IsEmpty && load <= 1 && load <= Placer.Load(needs, hosts.First(h => h.Id == best.Host)) + Placer.Margin;
            Assert.Equal(isTaken ? preferred.Id : best.Host, answer.Host);
        });

    [Fact]
    public void RulesThatMustHoldComeFirstThenThoseThatShouldByTheirPriorities()
    {
        HostRoom Host(byte number, params RuleChange[] broken) => new()
        {
            Id = EntityId.Host(new Guid(number, 0, 0, new byte[8])),
            Name = $"h{number}",
            MemoryForGuests = Small.Memory,
            CpuCapacity = new Megahertz(1_000),
            Datastores = [new HostDatastore { Id = PlanningGen.Shared, Name = "shared", Path = "/shared" }],
            BrokenRules = [.. broken.Select((weight, n) => new BrokenRule($"r{n}", "a rule", weight))],
        };

        var (must, twoOfNone, urgent) = (Host(1, new RuleChange(1, 0)), Host(2, new RuleChange(0, 1), new RuleChange(0, 1)), Host(3, new RuleChange(0, 101)));
        Assert.Equal([twoOfNone.Id, urgent.Id, must.Id], Placer.Choose(Small, [must, twoOfNone, urgent]).Fitting.Select(h => h.Id));
    }

    [Fact]
    public void AmongEqualsTheOneWhoseMachinesHaveTheLeastMemoryForItsSizeComesFirst()
    {
        HostRoom Host(byte number, int gib, int registered) => new()
        {
            Id = EntityId.Host(new Guid(number, 0, 0, new byte[8])),
            Name = $"h{number}",
            MemoryForGuests = Bytes.FromGib(gib),
            MemoryRegistered = Bytes.FromGib(registered),
            CpuCapacity = new Megahertz(1_000),
            Datastores = [new HostDatastore { Id = PlanningGen.Shared, Name = "shared", Path = "/shared" }],
        };

        var files = Small with { Memory = Bytes.Zero };
        Assert.Equal(["h3", "h2", "h1"], Placer.Choose(files, [Host(1, 4, 3), Host(2, 8, 5), Host(3, 4, 2)]).Fitting.Select(h => h.Name));
    }

    [Fact]
    public void WhatAMachineAsksForCountsWhereItComes()
    {
        var small = new HostRoom { Id = EntityId.Host(Guid.Empty), Name = "h", MemoryForGuests = Bytes.FromGib(100), CpuCapacity = new Megahertz(4_000), CpuComing = new Megahertz(6_000) };
        Assert.Equal(1.5, Placer.Load(Small, small), 3);
    }

    [Fact]
    public void MoreLoadNeverLowersTheScore() =>
        Gen.Select(PlanningGen.Needs, PlanningGen.Hosts, Gen.Int[0, 5000]).Where((_, h, _) => !h.IsEmpty).Sample((needs, hosts, more) =>
        {
            var host = hosts[0];
            var busier = host with { CpuDemand = new Megahertz(host.CpuDemand.Value + more), MemoryPromised = host.MemoryPromised + Bytes.FromMib(more) };
            Assert.True(Placer.Load(needs, busier) >= Placer.Load(needs, host));
        });
}
