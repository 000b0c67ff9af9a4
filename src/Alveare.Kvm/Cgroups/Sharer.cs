using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Cgroups;

/// <summary>A machine that runs, as one of those that share what the host has.</summary>
/// <param name="Taken">What its group has of memory now that cannot be had back.</param>
/// <param name="Demand">What it wants; null where that is not known yet.</param>
/// <param name="Present">What it is held to already, if it is.</param>
public sealed record Sharer(EntityId Machine, MachineSpec Spec, Bytes Taken, MachineDemand? Demand = null, GroupLimits? Present = null)
{
    /// <summary>What it has of memory within what it is held to. Beyond that, where version 2 lets a group have more for a while, it has no claim to what it has:
    /// its limit would go up with it.</summary>
    public Bytes Held => Present?.Memory.Most is { } most && most < Taken ? most : Taken;

    /// <summary>Of CPU, in effect.</summary>
    public int CpuShares => ShareScale.CpuShares(Spec.Resources.Cpu, Spec.Cpus);
}

/// <summary>What a machine wants of its host.</summary>
/// <param name="Cpus">What it used and what its virtual CPUs waited for, in CPUs.</param>
/// <param name="Memory">What it works with: what it touches and a part of the rest.</param>
public readonly record struct MachineDemand(double Cpus, Bytes Memory);
