using Alveare.Model;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

public sealed class PoolLedgerTests
{
    private static readonly EntityId Root = new(EntityKind.Cluster, Number(1));
    private static readonly EntityId Outer = Pool(2);
    private static readonly EntityId Inner = Pool(3);

    [Fact]
    public void WhatAPoolLacksIsAskedOfThePoolsAbove()
    {
        var ledger = Ledger(isExpandable: true, innerPromise: 100);
        // 100 of the inner pool's 300 are promised, and 200 of the outer's 500 beside the inner's 300; 400 of the root's 1000 beside the outer's 500.
        Assert.Null(ledger.WhyNot(Inner, 200));
        Assert.Null(ledger.WhyNot(Inner, 300));
        Assert.Equal(new PoolShortage(Root, 101, 100, false), ledger.WhyNot(Inner, 301));
        Assert.Equal((100, 300), (ledger.PromisedIn(Inner), ledger.ClaimOf(Inner)));
    }

    [Fact]
    public void WhatIsNotExpandableAsksNobody() =>
        Assert.Equal(new PoolShortage(Inner, 201, 200, false), Ledger(isExpandable: false, innerPromise: 100).WhyNot(Inner, 201));

    [Fact]
    public void APoolThatHasBorrowedClaimsWhatIsPromisedInIt()
    {
        var ledger = Ledger(isExpandable: true, innerPromise: 350);
        Assert.Equal((350, 550), (ledger.ClaimOf(Inner), ledger.ClaimOf(Outer)));
        Assert.Equal(new PoolShortage(Root, 51, 50, false), ledger.WhyNot(Inner, 51));
    }

    [Fact]
    public void NoPoolPromisesMoreThanItsLimit()
    {
        var ledger = Ledger(isExpandable: true, innerPromise: 100, outerLimit: 550);
        Assert.Null(ledger.WhyNot(Inner, 250));
        Assert.Equal(new PoolShortage(Outer, 51, 50, true), ledger.WhyNot(Inner, 251));
    }

    [Fact]
    public void AskingForNothingIsNeverRefused() => Assert.Null(Ledger(isExpandable: false, innerPromise: 5000).WhyNot(Inner, 0));

    [Fact]
    public void WhateverIsGrantedInAnyOrderFitsInTheRootAndInEveryPoolThatIsNotExpandable() =>
        Gen.Select(Gen.Bool.Array[6], Gen.Long[0, 200].Array[6], Gen.Int[-1, 4].Array[6], Gen.Select(Gen.Int[0, 5], Gen.Long[0, 300]).Array[0, 20]).Sample(
            (expandable, reservations, parents, asks) =>
            {
                // A pool's parent has a lower number; each is there only if what it is to have can be promised to it.
                var accounts = new List<PoolAccount> { new(Root, null, 1000, null, false) };
                for (var i = 0; i < 6; i++)
                {
                    var parent = parents[i] >= 0 && parents[i] < i && accounts.Any(a => a.Pool == Pool(parents[i])) ? Pool(parents[i]) : Root;
                    if (new PoolLedger(accounts, []).WhyNot(parent, reservations[i]) is null)
                        accounts.Add(new(Pool(i), parent, reservations[i], null, expandable[i]));
                }

                var promises = new List<PoolPromise>();
                foreach (var (pool, amount) in asks.Where(a => accounts.Any(p => p.Pool == Pool(a.Item1))))
                {
                    if (new PoolLedger(accounts, promises).WhyNot(Pool(pool), amount) is null)
                        promises.Add(new(EntityId.Vm(Number(promises.Count + 1)), Pool(pool), amount));
                }

                var ledger = new PoolLedger(accounts, promises);
                Assert.All(accounts.Where(a => !a.IsExpandable), a => Assert.True(ledger.PromisedIn(a.Pool) <= a.Reservation));
                Assert.True(promises.Sum(p => p.Amount) <= 1000);
            });

    private static PoolLedger Ledger(bool isExpandable, long innerPromise, long? outerLimit = null) => new(
        [new(Root, null, 1000, null, false), new(Outer, Root, 500, outerLimit, true), new(Inner, Outer, 300, null, isExpandable)],
        [new(EntityId.Vm(Number(1)), Inner, innerPromise), new(EntityId.Vm(Number(2)), Outer, 200), new(EntityId.Vm(Number(3)), Root, 400)]);

    private static EntityId Pool(int number) => new(EntityKind.ResourcePool, Number(number));

    private static Guid Number(int number) => new(number, 0, 0, new byte[8]);
}
