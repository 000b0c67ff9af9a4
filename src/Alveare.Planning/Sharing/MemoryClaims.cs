using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Planning.Sharing;

/// <summary>What machines claim of memory, in bytes.</summary>
/// <remarks>There are two questions, because memory that a process has taken is not to be had back as CPU is: what a machine is to keep when memory is short
/// (<see cref="Due"/>), and how far it may grow within a limit that it has together with others (<see cref="Held"/>).</remarks>
public static class MemoryClaims
{
    // Of memory that a machine has but does not touch a quarter counts: it may come back to it.
    private const double IdleShare = 0.25;

    // A machine may grow by a quarter before anybody has asked what it wants.
    private const double Room = 1.25;

    // Who has filled so much of its limit may want any amount.
    private const double NearLimit = 0.85;

    /// <summary>What a machine works with: what it touches and a quarter of the rest.</summary>
    public static double WorkedWith(double consumed, double active) => active + (IdleShare * (consumed - active));

    /// <summary>What a machine is to keep when memory is short.</summary>
    /// <param name="workedWith">Null where it is not known: then all its memory counts.</param>
    public static Claim Due(MachineSpec spec, double? workedWith) => Of(spec) with { Demand = workedWith ?? spec.Memory.Value };

    /// <summary>What a machine is to have of a limit: what it cannot be relieved of at least, and what QEMU needs to live.</summary>
    /// <param name="taken">Null where it is not known.</param>
    /// <param name="room">The most that it can take as it is held now; null for any amount.</param>
    /// <param name="keeps">What it cannot be relieved of; null for all that it takes.</param>
    public static Claim Held(MachineSpec spec, double? taken, double? room = null, double? keeps = null)
    {
        var claim = Of(spec);
        var least = Math.Max(claim.Reservation, Least(keeps ?? taken ?? 0));
        var mayWantAny = taken is null || taken >= room * NearLimit;
        return claim with { Reservation = least, Demand = Math.Max(Math.Max(least, Room * (taken ?? 0)), mayWantAny ? spec.Memory.Value : 0) };
    }

    /// <summary>No limit of others holds a machine to less.</summary>
    public static double Least(double taken) => Math.Max(taken, MachineLimits.MinMemoryLimit.Value);

    private static Claim Of(MachineSpec spec) => PoolTree.ClaimOf(spec.Resources.Memory, ShareScale.NormalMemoryOf(spec.Memory));
}
