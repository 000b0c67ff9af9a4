using System.Collections.Immutable;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Accelerators;

/// <summary>How this host runs guests, and what CPUs they get by that.</summary>
/// <param name="Basis">What it was found on (kernel, QEMU, processor): a verdict counts only for the same.</param>
/// <param name="CpuModels">What this host lacks of each processor model that QEMU knows by name.</param>
/// <param name="Warning">Why hardware virtualization is not used, or null when it is.</param>
public sealed record AcceleratorVerdict(string Basis, Accelerator Accelerator, string? Warning, ImmutableArray<string> CpuFeatures, ImmutableArray<HostCpuModel> CpuModels);
