using Alveare.Model;
using Alveare.Planning.Placement;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Placement;

public sealed class PlacerProperties
{
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
    public void ThePreferredHostIsTakenExactlyWhenItFits() => Gen.Select(PlanningGen.Needs, PlanningGen.Hosts).Where((_, h) => !h.IsEmpty).Sample((needs, hosts) =>
    {
        var preferred = hosts[0];
        var answer = Placer.Choose(needs, hosts, preferred.Id);
        Assert.Equal(HostFit.Check(needs, preferred).IsEmpty, answer.Host == preferred.Id);
    });

    [Fact]
    public void MoreLoadNeverLowersTheScore() =>
        Gen.Select(PlanningGen.Needs, PlanningGen.Hosts, Gen.Int[0, 5000]).Where((_, h, _) => !h.IsEmpty).Sample((needs, hosts, more) =>
        {
            var host = hosts[0];
            var busier = host with { CpuDemand = new Megahertz(host.CpuDemand.Value + more), MemoryPromised = host.MemoryPromised + Bytes.FromMib(more) };
            Assert.True(Placer.Load(needs, busier) >= Placer.Load(needs, host));
        });
}
