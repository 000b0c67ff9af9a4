using System.Collections.Immutable;

namespace Alveare.Planning.Sharing;

/// <summary>What one of several that share something is promised, weighs and wants.</summary>
/// <param name="Reservation">It has at least so much, as far as it wants it.</param>
/// <param name="Shares">What is left goes by these, above 0.</param>
public readonly record struct Claim(double Reservation, double Shares)
{
    /// <summary>It never has more.</summary>
    public double Limit { get; init; } = double.PositiveInfinity;

    /// <summary>What it could use now.</summary>
    public double Demand { get; init; } = double.PositiveInfinity;

    /// <summary>The most that it is given while somebody else wants more.</summary>
    public double Wanted => Math.Min(Limit, Demand);

    /// <summary>The least that it is given, if there is enough.</summary>
    public double Least => Math.Min(Reservation, Wanted);
}

/// <summary>Divides something among those who share it: everybody has what he is promised and nobody more than he wants, and nobody has more than
/// his shares' part while another who wants more is below his.</summary>
/// <remarks>Min-max fairness by shares (Waldspurger, "Memory Resource Management in VMware ESX Server", OSDI 2002; Gulati et al., "VMware
/// Distributed Resource Management", 2012): there is one level at which each gets his shares times the level, but not less than his promise and
/// not more than he wants. What is given rises with the level, evenly between the levels at which somebody comes in or has enough.</remarks>
public static class FairDivision
{
    /// <summary>The part of each, in the order of the claims. They sum to <paramref name="whole"/>, or to what all want together if that is less;
    /// promises that are more than the whole are all cut alike.</summary>
    public static ImmutableArray<double> Divide(double whole, ImmutableArray<Claim> claims)
    {
        var promised = claims.Sum(c => c.Least);
        if (promised >= whole)
            return [.. claims.Select(c => promised > 0 ? c.Least * whole / promised : 0)];
        if (claims.Sum(c => c.Wanted) <= whole)
            return [.. claims.Select(c => c.Wanted)];
        var level = LevelOf(whole - promised, claims);
        return [.. claims.Select(c => Math.Clamp(c.Shares * level, c.Least, c.Wanted))];
    }

    /// <summary>What each weighs: where not all can have what they want, what his promise and his shares would give him if he wanted it, at the level at
    /// which the others stand.</summary>
    /// <remarks>For somebody who divides by weight among those who want something at the moment, as a kernel does: with these weights he divides as
    /// <see cref="Divide"/> does, and who wants more a moment later is not starved until the next division.</remarks>
    public static ImmutableArray<double> Weigh(double whole, ImmutableArray<Claim> claims)
    {
        if (claims.Sum(c => c.Wanted) <= whole)
            return DivideAll(whole, claims);
        var promised = claims.Sum(c => c.Least);
        var level = promised >= whole ? 0 : LevelOf(whole - promised, claims);
        return [.. claims.Select(c => Math.Min(c.Limit, Math.Max(c.Reservation, c.Shares * level)))];
    }

    /// <summary>As <see cref="Divide"/>, and what nobody wants goes by shares to those whose limit allows it, so that who wants more a moment later has
    /// it already. The parts sum to the whole, or to the limits if those are less.</summary>
    public static ImmutableArray<double> DivideAll(double whole, ImmutableArray<Claim> claims)
    {
        var parts = Divide(whole, claims);
        return parts.Sum() >= whole
            ? parts
            : Divide(whole, [.. claims.Select((c, i) => c with { Reservation = parts[i], Demand = double.PositiveInfinity })]);
    }

    // The level at which so much more than the promises is given.
    private static double LevelOf(double more, ImmutableArray<Claim> claims)
    {
        var turns = claims
            .SelectMany(c => new[] { (At: c.Least / c.Shares, Rise: c.Shares), (At: c.Wanted / c.Shares, Rise: -c.Shares) })
            .Where(t => double.IsFinite(t.At))
            .Order();
        var (level, given, rise) = (0.0, 0.0, 0.0);
        foreach (var (at, change) in turns)
        {
            var then = given + (rise * (at - level));
            if (then >= more)
                break;
            (level, given, rise) = (at, then, rise + change);
        }

        // Without anybody who wants more, which rounding alone can bring about, all have what they want at this level.
        return rise > 0 ? level + ((more - given) / rise) : level;
    }
}
