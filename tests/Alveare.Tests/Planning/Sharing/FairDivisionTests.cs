using System.Collections.Immutable;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

public sealed class FairDivisionTests
{
    private const double Whole = 1000;
    private const double Noise = 1e-6;

    private static readonly Gen<double> Bound = Gen.OneOf(Gen.Const(double.PositiveInfinity), Gen.Double[0, 600]);

    private static readonly Gen<ImmutableArray<Claim>> Claims = Gen
        .Select(Gen.OneOf(Gen.Const(0.0), Gen.Double[0, 300]), Gen.Double[0.5, 4000], Bound, Bound, (reservation, shares, limit, demand) =>
            new Claim(reservation, shares) { Limit = Math.Max(limit, reservation), Demand = demand })
        .Array[1, 8].Select(c => c.ToImmutableArray());

    private static readonly Func<double, ImmutableArray<Claim>, ImmutableArray<double>>[] Divisions = [FairDivision.Divide, FairDivision.DivideAll];

    [Fact]
    public void ThePartsAreTheWholeOrAllThatIsWanted() => Claims.Sample(claims =>
    {
        Assert.Equal(Math.Min(Whole, claims.Sum(c => c.Wanted)), FairDivision.Divide(Whole, claims).Sum(), Whole * 1e-9);
        Assert.Equal(Math.Min(Whole, claims.Sum(c => c.Limit)), FairDivision.DivideAll(Whole, claims).Sum(), Whole * 1e-9);
    });

    [Fact]
    public void EverybodyHasWhatHeIsPromisedAsFarAsHeWantsIt() => Claims.Sample(claims =>
    {
        var cut = Math.Min(1, Whole / Math.Max(1, claims.Sum(c => c.Least)));
        Assert.All(Divisions, divide =>
            Assert.All(divide(Whole, claims).Zip(claims), p => Assert.True(p.First >= (p.Second.Least * cut) - Noise)));
    });

    [Fact]
    public void NobodyHasMoreThanHisLimitNorThanHeWantsWhileOthersWantMore() => Claims.Sample(claims =>
    {
        Assert.All(FairDivision.Divide(Whole, claims).Zip(claims), p => Assert.True(p.First <= p.Second.Wanted + Noise));
        Assert.All(FairDivision.DivideAll(Whole, claims).Zip(claims), p => Assert.True(p.First <= p.Second.Limit + Noise));
    });

    [Fact]
    public void WhatNobodyWantsIsGivenOnTop() => Claims.Sample(claims =>
        Assert.All(FairDivision.DivideAll(Whole, claims).Zip(FairDivision.Divide(Whole, claims)), p => Assert.True(p.First >= p.Second - Noise)));

    [Fact]
    public void BetweenHisPromiseAndHisWishEachHasHisSharesPartOfOneLevel() =>
        Claims.Where(c => c.Sum(x => x.Least) < Whole && c.Sum(x => x.Wanted) > Whole).Sample(claims =>
        {
            var parts = FairDivision.Divide(Whole, claims);
            // An oracle of its own: the level by bisection.
            var (low, high) = (0.0, 2 * Whole / claims.Min(c => c.Shares));
            for (var step = 0; step < 200; step++)
            {
                var middle = (low + high) / 2;
                if (claims.Sum(c => Math.Clamp(c.Shares * middle, c.Least, c.Wanted)) > Whole)
                    high = middle;
                else
                    low = middle;
            }

            Assert.All(parts.Zip(claims), p => Assert.Equal(Math.Clamp(p.Second.Shares * low, p.Second.Least, p.Second.Wanted), p.First, 1e-4));
        });

    [Fact]
    public void TheOrderDoesNotMatter() => Gen.Select(Claims, Gen.Int[0, int.MaxValue]).Sample((claims, seed) =>
    {
        var order = Enumerable.Range(0, claims.Length).ToArray();
        new Random(seed).Shuffle(order);
        Assert.All(Divisions, divide =>
        {
            var shuffled = divide(Whole, [.. order.Select(i => claims[i])]);
            var parts = divide(Whole, claims);
            Assert.All(order.Select((i, place) => (parts[i], shuffled[place])), p => Assert.Equal(p.Item1, p.Item2, Noise));
        });
    });

    [Fact]
    public void MoreSharesNeverGiveLess() => Gen.Select(Claims, Gen.Double[1, 5]).Sample((claims, factor) =>
        NeverLess(claims, claims[0] with { Shares = claims[0].Shares * factor }));

    [Fact]
    public void MoreDemandNeverGivesLess() => Gen.Select(Claims, Gen.Double[0, 500]).Sample((claims, more) =>
        NeverLess(claims, claims[0] with { Demand = claims[0].Demand + more }));

    [Fact]
    public void WhoDividesByTheWeightsAmongThoseWhoWantSomethingDividesAsFairly() => Claims.Where(c => c.Sum(x => x.Least) < Whole).Sample(claims =>
    {
        var weights = FairDivision.Weigh(Whole, claims);
        var byWeight = FairDivision.Divide(Whole, [.. claims.Zip(weights, (c, w) => new Claim(0, Math.Max(w, 1e-9)) { Demand = c.Wanted })]);
        Assert.All(byWeight.Zip(FairDivision.Divide(Whole, claims)), p => Assert.Equal(p.Second, p.First, 1e-4));
    });

    [Fact]
    public void AMachineThatRestsWeighsWhatItsSharesWouldGiveIt()
    {
        ImmutableArray<Claim> claims = [new(0, 1000) { Demand = 1 }, new(0, 1000), new(0, 2000), new(600, 10) { Demand = 1 }];
        var weights = FairDivision.Weigh(Whole, claims);
        Assert.Equal((weights[1], 2 * weights[1], 600), (weights[0], weights[2], weights[3]));
    }

    [Fact]
    public void AMachineThatWantsLittleLeavesTheRestToTheOthersByTheirShares()
    {
        ImmutableArray<Claim> claims = [new(0, 1000) { Demand = 100 }, new(0, 1000), new(0, 2000)];
        Assert.All(FairDivision.Divide(Whole, claims).Zip([100.0, 300, 600]), p => Assert.Equal(p.Second, p.First, Noise));
    }

    [Fact]
    public void OfNobodyAndOfNothingNothingIsDivided()
    {
        Assert.All(Divisions, divide => Assert.Empty(divide(Whole, [])));
        Assert.All(Divisions, divide => Assert.Equal([0.0, 0.0], divide(0, [new(0, 1000), new(500, 1000)])));
    }

    private static void NeverLess(ImmutableArray<Claim> claims, Claim more) => Assert.All(Divisions, divide =>
        Assert.True(divide(Whole, claims.SetItem(0, more))[0] >= divide(Whole, claims)[0] - Noise));
}
