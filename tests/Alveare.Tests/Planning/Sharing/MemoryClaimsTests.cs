using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Planning.Sharing;

/// <summary>What machines claim of memory when it is short, and of a limit that they share.</summary>
public sealed class MemoryClaimsTests
{
    private const double Noise = 1;
    private const long Gib = 1L << 30;

    private static readonly Gen<MachineSpec> Machines = Gen.Select(
        Gen.Long[64, 8192], Gen.Long[0, 1024], Gen.Long[128, 8192].Nullable(), Gen.Int[1, 100_000].Nullable(),
        (memory, reservation, limit, shares) => SpecOf(memory) with
        {
            Resources = new ResourceControls
            {
                Memory = new MemoryControl
                {
                    Reservation = Bytes.FromMib(Math.Min(reservation, Math.Min(memory, limit ?? memory))),
                    Limit = limit is { } most ? Bytes.FromMib(most) : null,
                    Shares = shares,
                },
            },
        });

    private static readonly Gen<double?> Taken = Gen.OneOf(Gen.Const(default(double?)), Gen.Double[0, 8 * Gib].Select(t => (double?)t));

    [Fact]
    public void AQuarterOfWhatIsIdleCounts() => Assert.Equal(325, MemoryClaims.WorkedWith(1000, 100));

    [Fact]
    public void NobodyKeepsMoreThanHeWorksWith() => Gen.Select(Machines, Gen.Double[0, 8 * Gib]).Sample((spec, worked) =>
        Assert.True(FairDivision.Divide(64.0 * Gib, [MemoryClaims.Due(spec, worked)])[0] <= worked + Noise));

    [Fact]
    public void OfAMachineThatIsNotKnownAllMemoryCounts() => Assert.Equal(Gib, MemoryClaims.Due(SpecOf(1024), null).Wanted);

    [Fact]
    public void WhereMemoryIsShortItGoesByShares()
    {
        var twice = SpecOf(1024) with { Resources = new ResourceControls { Memory = new MemoryControl { Shares = 2 * 10 * 1024 } } };
        var parts = FairDivision.Divide(900, [MemoryClaims.Due(twice, 1000), MemoryClaims.Due(SpecOf(1024), 1000)]);
        Assert.Equal((600, 300), (parts[0], parts[1]));
    }

    [Fact]
    public void OfALimitEachHasAtLeastWhatItTakesAndIsPromised() => Gen.Select(Machines, Taken).Array[1, 6].Sample(machines =>
    {
        var claims = machines.Select(m => MemoryClaims.Held(m.Item1, m.Item2)).ToList();
        var limit = claims.Sum(c => c.Least) * 1.2;
        foreach (var (part, claim, (spec, taken)) in FairDivision.DivideAll(limit, [.. claims]).Zip(claims, machines))
        {
            var least = Math.Max(Math.Max(taken ?? 0, spec.Resources.Memory.Reservation.Value), MachineLimits.MinMemoryLimit.Value);
            Assert.True(part >= Math.Min(least, claim.Limit) - Noise);
            Assert.True(part <= claim.Limit + Noise);
        }
    });

    [Fact]
    public void AMachineThatRestsLeavesItsPartToOneThatGrows()
    {
        var (resting, growing) = (MemoryClaims.Held(SpecOf(4096), Gib, room: 2 * Gib), MemoryClaims.Held(SpecOf(4096), 1.9 * Gib, room: 2 * Gib));
        var parts = FairDivision.DivideAll(4 * Gib, [resting, growing]);
        Assert.Equal((1.25 * Gib, 2.75 * Gib), (parts[0], parts[1]));
        // What it is left is not so little that it would be taken for one that grows.
        Assert.Equal(1.25 * Gib, MemoryClaims.Held(SpecOf(4096), Gib, parts[0]).Demand);
    }

    private static MachineSpec SpecOf(long mib) => new() { Uuid = Guid.NewGuid(), Name = "vm", Cpus = 1, Memory = Bytes.FromMib(mib) };
}
