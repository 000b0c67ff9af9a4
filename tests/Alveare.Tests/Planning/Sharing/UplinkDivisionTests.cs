using System.Collections.Immutable;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

public sealed class UplinkDivisionTests
{
    // The largest frame on an uplink.
    private const int Frame = 1514;

    private static readonly Gen<long> Capacity = Gen.Long[100_000, 50_000_000_000];

    private static readonly Gen<Claim> Unlimited = Gen.Int[1, 100].Select(shares => new Claim(0, shares));

    private static readonly Gen<Claim> Card = Gen.Select(Unlimited, Gen.OneOf(Gen.Const(double.PositiveInfinity), Gen.Double[16_384, 1e10]), (card, limit) => card with { Limit = limit });

    private static Gen<ImmutableArray<Claim>> Some(Gen<Claim> card) => card.Array[0, 40].Select(c => c.ToImmutableArray());

    [Fact]
    public void FourToOneOfWhatTheMachinesHave()
    {
        var division = UplinkDivision.Divide(315_000_000, [new Claim(0, 100), new Claim(0, 25)]);
        Assert.Equal((105_000_000, 210_000_000), (division.Host.Rate, division.Machines.Rate));
        Assert.Equal([new UplinkPart(160_000_000, 262_144), new UplinkPart(40_000_000, 65_536)], division.Cards);
    }

    [Fact]
    public void NoMoreIsPromisedThanThereIs() => Gen.Select(Capacity, Some(Card)).Sample((capacity, cards) =>
    {
        var division = UplinkDivision.Divide(capacity, cards);
        Assert.Equal(capacity, division.Host.Rate + division.Machines.Rate);
        // Also not when each keeps to the most that is near to its part; what is given at the least, so that nobody has nothing, aside.
        Assert.InRange(division.Cards.Sum(c => MostNear(c).Rate), 0, division.Machines.Rate + cards.Length);
        Assert.All(division.Cards.Zip(cards), c => Assert.InRange(c.First.Rate, 1, Math.Max(1, c.Second.Limit)));
    });

    [Fact]
    public void WithoutLimitsPartsAndTurnsAreAsShares() => Gen.Select(Capacity, Some(Unlimited)).Sample((capacity, cards) =>
    {
        var division = UplinkDivision.Divide(capacity, cards);
        var whole = cards.Sum(c => c.Shares);
        Assert.All(division.Cards.Zip(cards), c =>
        {
            Assert.Equal(division.Machines.Rate / 1.05 * c.Second.Shares / whole, c.First.Rate, 1.001);
            Assert.Equal(division.Machines.Turn * c.Second.Shares / whole, c.First.Turn, cards.Length + 1.0);
        });
    });

    [Fact]
    public void EveryTurnTakesAFrameAndNoneOfTheLeastMoreThanFiveMillisecondsOrOne() => Gen.Select(Capacity, Some(Card).Where(c => !c.IsEmpty)).Sample((capacity, cards) =>
    {
        var division = UplinkDivision.Divide(capacity, cards);
        Assert.All(division.Cards.Append(division.Host), c => Assert.True(c.Turn >= Frame));
        Assert.True(division.Cards.Min(c => c.Turn) <= Math.Max(2048, capacity / 200));
    });

    [Fact]
    public void MoreSharesNeverHaveLess() => Gen.Select(Capacity, Some(Card)).Sample((capacity, cards) =>
    {
        var parts = UplinkDivision.Divide(capacity, cards).Cards;
        var pairs = parts.Zip(cards).Where(c => double.IsInfinity(c.Second.Limit)).OrderBy(c => c.Second.Shares).Select(c => c.First).ToList();
        Assert.All(pairs.Zip(pairs.Skip(1)), p => Assert.True(p.First.Rate <= p.Second.Rate && p.First.Turn <= p.Second.Turn));
    });

    private static UplinkPart MostNear(UplinkPart part)
    {
        var most = part with { Rate = (long)(part.Rate * 1.05) };
        Assert.True(most.IsNear(part));
        Assert.False((most with { Rate = most.Rate + 2 }).IsNear(part));
        return most;
    }
}
