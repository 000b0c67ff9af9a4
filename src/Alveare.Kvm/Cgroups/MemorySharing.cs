using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Cgroups;

/// <summary>Divides a host's memory among its machines.</summary>
/// <remarks>What is due to a machine the kernel leaves to it when memory is short, and takes from those who have more. The limit of a pool becomes limits of
/// its machines, which sum to it unless they have taken more already: that cannot be taken from them without somewhere to swap it to, so a limit
/// follows a process down and never goes below it.</remarks>
/// <param name="capacity">What the host has for machines.</param>
public sealed class MemorySharing(Bytes capacity)
{
    /// <param name="pools">This host's part of them; those of which nothing is said about memory are not there.</param>
    public ImmutableDictionary<EntityId, MemoryLimits> Divide(IReadOnlyCollection<Sharer> sharers, ImmutableArray<HostPool> pools)
    {
        ImmutableArray<HostPool> sharing = [.. pools.Where(p => p.Memory is not null)];
        var due = PoolDivision.Divide(capacity.Value, TreeOf(s => MemoryClaims.Due(s.Spec, s.Demand?.Memory.Value)));
        // Limits hold whether the host is short or not: of no end of memory each has what its own limit and its pools' leave it.
        var most = PoolDivision.DivideAll(double.PositiveInfinity, TreeOf(s => MemoryClaims.Held(s.Spec, s.Held.Value, s.Present?.Memory.Most?.Value)));
        return sharers.ToImmutableDictionary(s => s.Machine, s =>
        {
            var memory = s.Spec.Resources.Memory;
            var isLimited = double.IsFinite(most[s.Machine]);
            return new MemoryLimits(
                memory.Reservation,
                new Bytes(Math.Max(memory.Reservation.Value, (long)due[s.Machine])),
                isLimited ? new Bytes((long)Math.Min(memory.Limit?.Value ?? double.PositiveInfinity, Math.Max(most[s.Machine], MemoryClaims.Least(s.Held.Value)))) : null);
        });

        ImmutableArray<ShareNode> TreeOf(Func<Sharer, Claim> claimOf) => PoolTree.Of(sharers.ToDictionary(s => s.Machine, claimOf), sharing, PoolTree.MemoryOf);
    }
}
