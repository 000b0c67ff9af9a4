using System.Collections.Immutable;

namespace Alveare.Planning.Sharing;

/// <summary>What one of several that share something is promised and weighs.</summary>
/// <param name="Reservation">It has at least so much.</param>
/// <param name="Shares">What is left goes by these, above 0.</param>
public readonly record struct Claim(double Reservation, double Shares);

/// <summary>Divides something among those who all want as much as they can get: everybody has what he is promised, and nobody more than his shares'
/// part while another is below his.</summary>
/// <remarks>Min-max fairness by shares (Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002; Gulati et al., "VMware
/// Distributed Resource Management", 2012): there is one level at which each gets the larger of his reservation and his shares times the level. It is
/// found by taking those out whose reservation is the larger, the most promised per share first.</remarks>
public static class FairDivision
{
    /// <summary>The part of each, in the order of the claims. They sum to <paramref name="whole"/>; promises that are more than that together
    /// are all cut alike.</summary>
    public static ImmutableArray<double> Divide(double whole, ImmutableArray<Claim> claims)
    {
        if (claims.IsEmpty)
            return [];
        var promised = claims.Sum(c => c.Reservation);
        if (promised >= whole && promised > 0)
            return [.. claims.Select(c => c.Reservation * whole / promised)];

        var (left, shares) = (whole, claims.Sum(c => c.Shares));
        // Whose promise is more than the level gives is out with it, which lowers the level for the others, and may bring them above it too.
        foreach (var claim in claims.OrderByDescending(c => c.Reservation / c.Shares))
        {
            if (claim.Reservation / claim.Shares <= left / shares)
                break;
            (left, shares) = (left - claim.Reservation, shares - claim.Shares);
        }

        var level = left / shares;
        return [.. claims.Select(c => Math.Max(c.Reservation, c.Shares * level))];
    }
}
