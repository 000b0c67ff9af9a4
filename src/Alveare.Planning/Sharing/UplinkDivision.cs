using System.Collections.Immutable;

namespace Alveare.Planning.Sharing;

/// <summary>What one of those who send by an uplink is given of it: what it has when all send, and how they take turns at what others leave.</summary>
/// <param name="Rate">Bytes a second.</param>
/// <param name="Turn">Bytes that it sends when it is its turn.</param>
public readonly record struct UplinkPart(long Rate, long Turn)
{
    /// <summary>So much two parts may differ and be the same to whoever keeps to one of them.</summary>
    internal const double Same = 0.05;

    /// <summary>Whether one who keeps to this part need not be told the other.</summary>
    public bool IsNear(UplinkPart other) => IsNear(Rate, other.Rate) && IsNear(Turn, other.Turn);

    private static bool IsNear(long one, long other) => Math.Abs(one - other) <= Same * Math.Min(one, other);
}

/// <summary>How an uplink is divided: between the host itself and its machines, and among the machines' network cards.</summary>
/// <param name="Host">Of what the host itself sends: memory of machines that move, storage, management.</param>
/// <param name="Machines">Of all cards together.</param>
/// <param name="Cards">In the order of the claims.</param>
public sealed record UplinkDivision(UplinkPart Host, UplinkPart Machines, ImmutableArray<UplinkPart> Cards)
{
    /// <summary>What the host sends itself weighs half of what all machines weigh together, so that neither keeps the other from working.</summary>
    private const double HostPart = 1.0 / 3;

    // What is promised to cards: they may keep to a part that is a little more than theirs, and still no more is promised than there is.
    private const double Promised = 1 / (1 + UplinkPart.Same);

    // A frame of Ethernet and something; and the most that guests and kernels hand over as one.
    private const double LeastTurn = 2048;
    private const double MostTurn = 64 * 1024;

    // A turn takes five milliseconds of the uplink at the most where that is more than a frame.
    private const double TurnsPerSecond = 200;

    /// <summary>Divides by shares within the limits, as if everybody wanted everything: what one leaves goes to the others by their turns, which are as
    /// their shares.</summary>
    /// <remarks>Turns are counted in what is sent at once: one that is less than that would count as a whole one, and shares would be forgotten; one
    /// that is long makes the others wait.</remarks>
    /// <param name="capacity">Bytes a second.</param>
    /// <param name="cards">Their limits are kept elsewhere; here they leave to others what is above them.</param>
    public static UplinkDivision Divide(long capacity, ImmutableArray<Claim> cards)
    {
        var host = Rate(capacity * HostPart);
        var machines = Math.Max(1, capacity - host);
        var turn = Math.Clamp(capacity / TurnsPerSecond, LeastTurn, MostTurn);
        var least = cards.Length == 0 ? 1 : cards.Min(c => c.Shares);
        var parts = FairDivision.Divide(machines * Promised, cards).Zip(cards, (rate, card) => new UplinkPart(Rate(rate), (long)(turn * card.Shares / least))).ToImmutableArray();
        var all = parts.Sum(p => p.Turn);
        return new UplinkDivision(
            new UplinkPart(host, Math.Max((long)turn, all / 2)),
            new UplinkPart(machines, all),
            parts);
    }

    // A rate of nothing would be one without end.
    private static long Rate(double bytes) => Math.Max(1, (long)bytes);
}
