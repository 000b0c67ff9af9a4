using Alveare.Model;
using Alveare.Model.Machines;
using Alveare.Model.Resources;

namespace Alveare.Kvm.Cgroups;

/// <summary>A machine that runs, as one of those that share what the host has.</summary>
/// <param name="Taken">What its process has of memory now.</param>
/// <param name="Demand">What it wants; null where that is not known yet.</param>
/// <param name="Present">What it is held to already, if it is.</param>
public sealed record Sharer(EntityId Machine, MachineSpec Spec, Bytes Taken, MachineDemand? Demand = null, GroupLimits? Present = null)
{
    /// <summary>Of CPU, in effect.</summary>
    public int CpuShares => ShareScale.CpuShares(Spec.Resources.Cpu, Spec.Cpus);
}

/// <summary>What a machine wants of its host.</summary>
/// <param name="Cpus">What it used and what its virtual CPUs waited for, in CPUs.</param>
/// <param name="Memory">What it works with: what it touches and a part of the rest.</param>
public readonly record struct MachineDemand(double Cpus, Bytes Memory);
