using System.Collections.Immutable;
using Alveare.Model;

namespace Alveare.Planning.Sharing;

/// <summary>A machine or a resource pool among those that share what is above it.</summary>
/// <param name="Own">Its own controls; a pool's demand is not asked, its children have it.</param>
/// <param name="Children">Of a pool; null for a machine.</param>
public sealed record ShareNode(EntityId Id, Claim Own, IReadOnlyList<ShareNode>? Children = null);

/// <summary>Divides something in a tree: what a pool is given is divided among its children, and so on down to the machines.</summary>
/// <remarks>A pool wants what its children want together, and is promised what they are promised, if that is more than its own reservation: the
/// admission has seen to it that what goes beyond is lent by the pool above.</remarks>
public static class PoolDivision
{
    /// <summary>What each pool and machine is entitled to by what all want now. The machines' parts sum to <paramref name="whole"/>, or to what they want.</summary>
    public static ImmutableDictionary<EntityId, double> Divide(double whole, IReadOnlyList<ShareNode> roots) => Divide(whole, roots, FairDivision.Divide);

    /// <summary>As <see cref="Divide(double, IReadOnlyList{ShareNode})"/>, and what nobody wants is divided too, within the limits.</summary>
    public static ImmutableDictionary<EntityId, double> DivideAll(double whole, IReadOnlyList<ShareNode> roots) => Divide(whole, roots, FairDivision.DivideAll);

    /// <summary>What each pool and machine weighs (<see cref="FairDivision.Weigh"/>): who divides by the machines' weights alone divides as
    /// <see cref="Divide(double, IReadOnlyList{ShareNode})"/> does. Where all together have what they want, weights are as if all wanted everything.</summary>
    public static ImmutableDictionary<EntityId, double> Weigh(double whole, IReadOnlyList<ShareNode> roots) =>
        Divide(whole, roots.Sum(r => ClaimOf(r).Wanted) > whole ? roots : WantingAll(roots), FairDivision.Weigh);

    private static IReadOnlyList<ShareNode> WantingAll(IReadOnlyList<ShareNode> nodes) =>
        [.. nodes.Select(n => n with { Own = n.Own with { Demand = double.PositiveInfinity }, Children = n.Children is { } children ? WantingAll(children) : null })];

    private static ImmutableDictionary<EntityId, double> Divide(
        double whole, IReadOnlyList<ShareNode> roots, Func<double, ImmutableArray<Claim>, ImmutableArray<double>> divide)
    {
        var parts = ImmutableDictionary.CreateBuilder<EntityId, double>();
        Descend(whole, roots);
        return parts.ToImmutable();

        void Descend(double part, IReadOnlyList<ShareNode> nodes)
        {
            var given = divide(part, [.. nodes.Select(ClaimOf)]);
            for (var i = 0; i < nodes.Count; i++)
            {
                parts[nodes[i].Id] = given[i];
                if (nodes[i].Children is { } children)
                    Descend(given[i], children);
            }
        }
    }

    /// <summary>What a node claims of what is above it.</summary>
    internal static Claim ClaimOf(ShareNode node)
    {
        if (node.Children is not { } children)
            return node.Own;
        var claims = children.Select(ClaimOf).ToList();
        return node.Own with
        {
            Reservation = Math.Max(node.Own.Reservation, claims.Sum(c => c.Least)),
            // No more can be used below than the children's limits allow.
            Limit = Math.Min(node.Own.Limit, claims.Sum(c => c.Limit)),
            Demand = claims.Sum(c => c.Wanted),
        };
    }
}
