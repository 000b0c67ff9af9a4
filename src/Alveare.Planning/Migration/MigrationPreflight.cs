using System.Collections.Immutable;
using Alveare.Model.Faults;
using Alveare.Model.Machines;
using Alveare.Planning.Placement;

namespace Alveare.Planning.Migration;

/// <summary>Says whether a live migration may start, before anything is started.</summary>
/// <remarks>Everything that makes a host fit for a machine is asked of <see cref="HostFit"/>; here is only what comes from the machine
/// running already: it cannot change its CPU or leave files behind.</remarks>
public static class MigrationPreflight
{
    /// <summary>Every reason against it, each with its own fault, in a fixed order; empty when it may start.</summary>
    public static ImmutableArray<Fault> Check(MigrationCandidate candidate)
    {
        if (candidate.Source.Id == candidate.Target.Id)
            return [new InvalidArgument($"Virtual machine '{candidate.Machine.Name}'", "the target host", $"'{candidate.Target.Name}', where it already is", "another host")];
        return [.. Source(candidate), .. HostFit.Check(Needs(candidate), candidate.Target), .. SameAccelerator(candidate), .. Baseline(candidate), .. Devices(candidate)];
    }

    /// <summary>The needs of a machine that runs: a guest that was shown its host's own CPU relies on all of it.</summary>
    public static MachineNeeds Needs(MigrationCandidate candidate)
    {
        var needs = MachineNeeds.Of(candidate.Machine, candidate.Config.Datastore, candidate.DatastoreName);
        return CpuModels.IsOfTheHost(candidate.Machine.CpuModel) ? needs with { CpuFeatures = candidate.Source.CpuFeatures } : needs;
    }

    private static IEnumerable<Fault> Source(MigrationCandidate candidate)
    {
        if (candidate.Source.Problem is { } problem)
            yield return new HostNotConnected(candidate.Source.Name, problem);
    }

    // The two accelerators keep a guest's CPU state differently: QEMU does not load one's into the other.
    private static IEnumerable<Fault> SameAccelerator(MigrationCandidate candidate)
    {
        if (candidate.Target.Problem is null && candidate.Source.Accelerator != candidate.Target.Accelerator)
        {
            var needed = candidate.Source.Accelerator == Model.Hosts.Accelerator.Kvm
                ? "hardware virtualization"
                : "software emulation (the guest was started with it)";
            yield return new CpuIncompatible(candidate.Machine.Name, candidate.Target.Name, [needed]);
        }
    }

    // It would come there, and could go no further.
    private static IEnumerable<Fault> Baseline(MigrationCandidate candidate)
    {
        if (candidate.Entering.TryGetValue(candidate.Target.Id, out var entering) && !CpuBaselines.Covers(entering.Model, candidate.Machine.CpuModel))
            yield return new MachinesAboveBaseline(entering.Cluster, entering.Model, [candidate.Machine.Name]);
    }

    private static IEnumerable<Fault> Devices(MigrationCandidate candidate) => candidate.Machine.Disks
        .Where(d => d.File.Length == 0 || d.File.Contains('/', StringComparison.Ordinal))
        .Select(d => Outside(candidate.Machine, d));

    private static DeviceNotMovable Outside(MachineSpec machine, DiskSpec disk) =>
        new(machine.Name, $"disk '{disk.File}'", "is no file in the machine's own directory, so the target cannot be sure to see it");
}
