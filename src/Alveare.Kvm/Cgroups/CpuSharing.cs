using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Cgroups;

/// <summary>Divides a host's CPU among its machines.</summary>
/// <remarks>The kernel divides CPU by weight among those who want it, and stops at a quota. So weights are what each machine would get if it wanted all
/// that its promise and shares give it while the others want what they do (<see cref="PoolDivision.Weigh"/>), and the quotas of machines in a
/// pool with a limit are what the pool's limit gives each of them.</remarks>
/// <param name="clock">Of one of the host's CPUs.</param>
/// <param name="capacity">Of all of them. Where the host does not know what its CPUs are worth, megahertz mean nothing, and shares alone count.</param>
public sealed class CpuSharing(Megahertz clock, Megahertz capacity)
{
    // Who uses so much of its quota may want any amount.
    private const double NearQuota = 0.85;

    private bool IsKnown => clock.Value > 0 && capacity.Value > 0;

    /// <param name="pools">This host's part of them.</param>
    public ImmutableDictionary<EntityId, CpuLimits> Divide(IReadOnlyCollection<Sharer> sharers, ImmutableArray<HostPool> pools)
    {
        // All machines together weigh as much against the rest of the host as they would one by one.
        var whole = sharers.Sum(s => (double)s.CpuShares);
        var divided = IsKnown ? capacity.Value : whole;
        var tree = PoolTree.Of(sharers.ToDictionary(s => s.Machine, ClaimOf), IsKnown ? pools : [], PoolTree.CpuOf);
        var (weights, parts) = (PoolDivision.Weigh(divided, tree), PoolDivision.DivideAll(divided, tree));
        var held = PoolTree.HeldByPools(tree).ToHashSet();
        var sharesOfWeight = sharers.Count == 0 ? 0 : whole / Math.Max(1, sharers.Sum(s => weights[s.Machine]));
        return sharers.ToImmutableDictionary(s => s.Machine, s => new CpuLimits(
            (int)Math.Clamp(Math.Round(weights[s.Machine] * sharesOfWeight), 1, int.MaxValue),
            MostOf(s, held.Contains(s.Machine) ? parts[s.Machine] : double.PositiveInfinity)));
    }

    private double? MostOf(Sharer sharer, double ofPool) =>
        Math.Min(sharer.Spec.Resources.Cpu.Limit?.Value ?? double.PositiveInfinity, ofPool) is var most && clock.Value > 0 && double.IsFinite(most)
            ? most / clock.Value
            : null;

    private Claim ClaimOf(Sharer sharer)
    {
        if (!IsKnown)
            return new Claim(0, sharer.CpuShares);
        var claim = PoolTree.ClaimOf(sharer.Spec.Resources.Cpu, ShareScale.NormalCpu * sharer.Spec.Cpus);
        return sharer.Demand is { } demand && !(demand.Cpus >= sharer.Present?.Cpu.Cpus * NearQuota) ? claim with { Demand = demand.Cpus * clock.Value } : claim;
    }
}
