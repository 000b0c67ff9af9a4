using System.Collections.Immutable;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

public sealed class FairDivisionTests
{
    private const double Whole = 1000;

    private static readonly Gen<ImmutableArray<Claim>> Claims = Gen
        .Select(Gen.OneOf(Gen.Const(0.0), Gen.Double[0, 300]), Gen.Double[0.5, 4000], (reservation, shares) => new Claim(reservation, shares))
        .Array[1, 8].Select(c => c.ToImmutableArray());

    [Fact]
    public void ThePartsAreTheWhole() => Claims.Sample(claims =>
        Assert.Equal(Whole, FairDivision.Divide(Whole, claims).Sum(), Whole * 1e-9));

    [Fact]
    public void EverybodyHasWhatHeIsPromisedWhereThatCanBe() => Claims.Sample(claims =>
    {
        var cut = Math.Min(1, Whole / Math.Max(1, claims.Sum(c => c.Reservation)));
        Assert.All(FairDivision.Divide(Whole, claims).Zip(claims), p => Assert.True(p.First >= (p.Second.Reservation * cut) - 1e-6));
    });

    [Fact]
    public void WhoHasMoreThanHisPromiseHasHisSharesPartOfOneLevel() => Claims.Where(c => c.Sum(x => x.Reservation) < Whole).Sample(claims =>
    {
        var parts = FairDivision.Divide(Whole, claims);
        // An oracle of its own: the level by bisection.
        var (low, high) = (0.0, Whole / claims.Min(c => c.Shares));
        for (var step = 0; step < 200; step++)
        {
            var middle = (low + high) / 2;
            if (claims.Sum(c => Math.Max(c.Reservation, c.Shares * middle)) > Whole)
                high = middle;
            else
                low = middle;
        }

        Assert.All(parts.Zip(claims), p => Assert.Equal(Math.Max(p.Second.Reservation, p.Second.Shares * low), p.First, 1e-4));
    });

    [Fact]
    public void TheOrderDoesNotMatter() => Gen.Select(Claims, Gen.Int[0, int.MaxValue]).Sample((claims, seed) =>
    {
        var order = Enumerable.Range(0, claims.Length).ToArray();
        new Random(seed).Shuffle(order);
        var shuffled = FairDivision.Divide(Whole, [.. order.Select(i => claims[i])]);
        var parts = FairDivision.Divide(Whole, claims);
        Assert.All(order.Select((i, place) => (parts[i], shuffled[place])), p => Assert.Equal(p.Item1, p.Item2, 1e-6));
    });

    [Fact]
    public void MoreSharesNeverGiveLess() => Gen.Select(Claims, Gen.Double[1, 5]).Sample((claims, factor) =>
    {
        var more = claims.SetItem(0, claims[0] with { Shares = claims[0].Shares * factor });
        Assert.True(FairDivision.Divide(Whole, more)[0] >= FairDivision.Divide(Whole, claims)[0] - 1e-6);
    });

    [Fact]
    public void OfNobodyNothingIsDivided() => Assert.Empty(FairDivision.Divide(Whole, []));
}
