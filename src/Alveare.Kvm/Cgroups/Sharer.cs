using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;
using Alveare.Planning.Sharing;

namespace Alveare.Kvm.Cgroups;

/// <summary>A machine that runs, as one of those that share what the host has.</summary>
/// <param name="Taken">What its group has of memory now that cannot be had back.</param>
/// <param name="Demand">What it wants; null where that is not known yet.</param>
/// <param name="Present">What it is held to already, if it is.</param>
/// <param name="Guest">Null for one that gives no memory back.</param>
public sealed record Sharer(
    EntityId Machine, MachineSpec Spec, Bytes Taken, MachineDemand? Demand = null, GroupLimits? Present = null, BalloonedGuest? Guest = null)
{
    /// <summary>What it has of memory within what it is held to. Beyond that, where version 2 lets a group have more for a while, it has no claim to what it has:
    /// its limit would go up with it. A guest that can give back is not held to the last page: at a wall it could do nothing, not even that.</summary>
    public Bytes Held => new(Math.Min(Present?.Memory.Most?.Value ?? long.MaxValue, Taken.Value + (Guest is null ? 0 : (long)BalloonedGuest.Slack)));

    /// <summary>What of memory it cannot be relieved of.</summary>
    public double Keeps => Guest is { } guest ? Math.Min(Held.Value, guest.Keeps) : Held.Value;

    /// <summary>The most that it can take as it is held now; null for any amount.</summary>
    public double? Room => Guest is { } guest ? Math.Min(Present?.Memory.Most?.Value ?? double.PositiveInfinity, guest.MayTake) : Present?.Memory.Most?.Value;

    /// <summary>Of CPU, in effect.</summary>
    public int CpuShares => ShareScale.CpuShares(Spec.Resources.Cpu, Spec.Cpus);
}

/// <summary>What a machine wants of its host.</summary>
/// <param name="Cpus">What it used and what its virtual CPUs waited for, in CPUs.</param>
/// <param name="Memory">What it works with: what it touches and a part of the rest.</param>
public readonly record struct MachineDemand(double Cpus, Bytes Memory);
