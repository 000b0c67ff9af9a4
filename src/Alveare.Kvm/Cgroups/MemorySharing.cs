using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Cgroups;

/// <summary>Divides a host's memory among its machines.</summary>
/// <remarks>What is due to a machine the kernel leaves to it when memory is short, and takes from those who have more. The limit of a pool becomes limits of
/// its machines, which sum to it unless they have taken more already: that cannot be taken from them without somewhere to swap it to, so a limit
/// follows a process down and never goes below it. A guest with a balloon is asked for what its machine has beyond its part.</remarks>
/// <param name="capacity">What the host has for machines.</param>
public sealed class MemorySharing(Bytes capacity)
{
    /// <param name="pools">This host's part of them; those of which nothing is said about memory are not there.</param>
    public ImmutableDictionary<EntityId, MemoryLimits> Divide(IReadOnlyCollection<Sharer> sharers, ImmutableArray<HostPool> pools)
    {
        ImmutableArray<HostPool> sharing = [.. pools.Where(p => p.Memory is not null)];
        var due = PoolDivision.Divide(capacity.Value, TreeOf(s => MemoryClaims.Due(s.Spec, s.Demand?.Memory.Value)));
        // Limits hold whether the host is short or not: of no end of memory each has what its own limit and its pools' leave it.
        var parts = PoolDivision.DivideAll(double.PositiveInfinity, TreeOf(s => MemoryClaims.Held(s.Spec, s.Held.Value, s.Room, s.Keeps)));
        var most = PoolDivision.DivideAll(double.PositiveInfinity, TreeOf(s => MemoryClaims.Held(s.Spec, s.Held.Value, s.Room)));
        return sharers.ToImmutableDictionary(s => s.Machine, s => new MemoryLimits(
            s.Spec.Resources.Memory.Reservation,
            new Bytes(Math.Max(s.Spec.Resources.Memory.Reservation.Value, (long)due[s.Machine])),
            double.IsFinite(most[s.Machine]) ? new Bytes((long)MostOf(s, most[s.Machine])) : null)
        {
            Guest = s.Guest is { } guest ? new Bytes((long)guest.TargetAt(parts[s.Machine])) : null,
        });

        ImmutableArray<ShareNode> TreeOf(Func<Sharer, Claim> claimOf) => PoolTree.Of(sharers.ToDictionary(s => s.Machine, claimOf), sharing, PoolTree.MemoryOf);
    }

    // A machine's own limit stands, but for a guest on its way below it.
    private static double MostOf(Sharer sharer, double part)
    {
        var (own, least) = (sharer.Spec.Resources.Memory.Limit?.Value ?? double.PositiveInfinity, MemoryClaims.Least(sharer.Held.Value));
        return sharer.Guest?.Keeps <= own ? Math.Max(part, least) : Math.Min(own, Math.Max(part, least));
    }
}
