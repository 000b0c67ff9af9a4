using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

public sealed class PoolDivisionTests
{
    private const double Whole = 1000;
    private const double Noise = 1e-6;

    private static readonly Gen<Claim> AnyClaim = Gen.Select(
        Gen.OneOf(Gen.Const(0.0), Gen.Double[0, 60]), Gen.Double[0.5, 4000], Gen.OneOf(Gen.Const(double.PositiveInfinity), Gen.Double[100, 800]), Gen.Double[0, 600],
        (reservation, shares, limit, demand) => new Claim(reservation, shares) { Limit = limit, Demand = demand });

    private static readonly Gen<IReadOnlyList<ShareNode>> Trees = Gen
        .Select(AnyClaim.Array[0, 3], Gen.Select(AnyClaim, AnyClaim.Array[0, 3], Gen.Select(AnyClaim, AnyClaim.Array[0, 3])).Array[0, 3])
        .Select(IReadOnlyList<ShareNode> (machines, pools) =>
        {
            var next = 0;
            ShareNode Node(Claim claim, IReadOnlyList<ShareNode>? children = null) => new(Id(++next), claim, children);
            return
            [
                .. machines.Select(m => Node(m)),
                .. pools.Select(p => Node(p.Item1, [.. p.Item2.Select(m => Node(m)), Node(p.Item3.Item1, [.. p.Item3.Item2.Select(m => Node(m))])])),
            ];
        });

    private static readonly Func<double, IReadOnlyList<ShareNode>, ImmutableDictionary<EntityId, double>>[] Divisions = [PoolDivision.Divide, PoolDivision.DivideAll];

    [Fact]
    public void WhatAPoolHasItsChildrenHave() => Trees.Sample(tree => Assert.All(Divisions, divide =>
    {
        var parts = divide(Whole, tree);
        Assert.Equal(Math.Min(Whole, tree.Sum(n => Most(n, divide == PoolDivision.DivideAll))), tree.Sum(n => parts[n.Id]), Noise);
        Assert.All(All(tree).Where(n => n.Children is not null), pool => Assert.Equal(parts[pool.Id], pool.Children!.Sum(c => parts[c.Id]), Noise));
    }));

    [Fact]
    public void NobodyIsAboveHisLimitNorBelowHisPromise() => Trees.Sample(tree => Assert.All(Divisions, divide =>
    {
        var parts = divide(Whole, tree);
        Assert.All(All(tree).Where(n => n.Children is null), n => Assert.True(parts[n.Id] >= n.Own.Least - Noise || IsCramped(tree)));
        Assert.All(All(tree), n => Assert.True(parts[n.Id] <= n.Own.Limit + Noise));
    }));

    [Fact]
    public void TheOrderDoesNotMatter() => Trees.Sample(tree => Assert.All(Divisions, divide =>
    {
        var (one, other) = (divide(Whole, tree), divide(Whole, Turned(tree)));
        Assert.All(one, p => Assert.Equal(p.Value, other[p.Key], Noise));
    }));

    [Fact]
    public void WhoDividesByTheMachinesWeightsAloneDividesAsTheTreeDoes() => Trees.Where(t => !IsCramped(t)).Sample(tree =>
    {
        var (parts, weights) = (PoolDivision.Divide(Whole, tree), PoolDivision.Weigh(Whole, tree));
        var machines = All(tree).Where(n => n.Children is null).ToList();
        if (machines.Sum(m => parts[m.Id]) < Whole - Noise)
            return;
        var byWeight = FairDivision.Divide(Whole, [.. machines.Select(m => new Claim(0, Math.Max(weights[m.Id], 1e-9)) { Demand = m.Own.Wanted })]);
        Assert.All(machines.Zip(byWeight), m => Assert.Equal(parts[m.First.Id], m.Second, 1e-4));
    });

    [Fact]
    public void WhatOneMachineOfAPoolDoesNotWantGoesToTheOtherOfThePool()
    {
        // Two pools weigh the same: the second machine of the first has what the first leaves, not the machine of the other pool.
        IReadOnlyList<ShareNode> tree =
        [
            new(Id(1), new Claim(0, 4000), [new(Id(2), new Claim(0, 1000) { Demand = 50 }), new(Id(3), new Claim(0, 1000))]),
            new(Id(4), new Claim(0, 4000), [new(Id(5), new Claim(0, 1000))]),
        ];
        var parts = PoolDivision.Divide(Whole, tree);
        Assert.Equal((50, 450, 500), (parts[Id(2)], parts[Id(3)], parts[Id(5)]));
    }

    [Fact]
    public void APromiseThatIsLentByThePoolAboveIsHeld()
    {
        IReadOnlyList<ShareNode> tree =
        [
            new(Id(1), new Claim(0, 1), [new(Id(2), new Claim(300, 1000))]),
            new(Id(3), new Claim(0, 100_000)),
        ];
        Assert.Equal(300, PoolDivision.Divide(Whole, tree)[Id(2)], Noise);
    }

    private static EntityId Id(int number) => EntityId.Vm(new Guid(number, 0, 0, new byte[8]));

    private static IEnumerable<ShareNode> All(IEnumerable<ShareNode> nodes) => nodes.SelectMany(n => All(n.Children ?? []).Prepend(n));

    private static List<ShareNode> Turned(IEnumerable<ShareNode> nodes) => [.. nodes.Reverse().Select(n => n with { Children = n.Children is { } c ? Turned(c) : null })];

    private static double Most(ShareNode node, bool isAll) => node.Children is { } children
        ? Math.Min(node.Own.Limit, children.Sum(c => Most(c, isAll)))
        : isAll ? node.Own.Limit : node.Own.Wanted;

    // A limit above is less than the promises below it, those that pools are given among them: admission does not let that come about.
    private static bool IsCramped(IReadOnlyList<ShareNode> tree) =>
        tree.Sum(Promised) > Whole || All(tree).Any(n => n.Children is { } children && children.Sum(Promised) > n.Own.Limit);

    private static double Promised(ShareNode node) =>
        node.Children is { } children ? Math.Max(node.Own.Reservation, children.Sum(Promised)) : node.Own.Least;
}
