using System.Collections.Immutable;
using Alveare.Model.Hosts;
using Alveare.Planning.Placement;

namespace Alveare.Kvm.Qemu;

/// <summary>What a command line needs beyond the machine's own configuration: facts of this host and of this one start.</summary>
public sealed record QemuRuntime
{
    /// <summary>The program, such as <c>/usr/bin/qemu-system-x86_64</c>.</summary>
    public required string Program { get; init; }

    public required Accelerator Accelerator { get; init; }

    /// <summary>The CPU that the guest sees: a level or a named model.</summary>
    public string CpuModel { get; init; } = CpuBaselines.Default;

    /// <summary>Size of the code cache of software emulation; it would otherwise grow towards 1 GiB per machine.</summary>
    public int TranslationCacheMib { get; init; } = 64;

    public required RunDirectory Run { get; init; }

    /// <summary>Absolute paths of the disks, in the order of the configuration.</summary>
    public ImmutableArray<string> DiskPaths { get; init; } = [];

    /// <summary>Names of the tap devices, in the order of the configuration's NICs.</summary>
    public ImmutableArray<string> Taps { get; init; } = [];

    /// <summary>Absolute path of the customization seed, or null.</summary>
    public string? SeedPath { get; init; }

    /// <summary>File that collects what the guest writes to its serial line.</summary>
    public required string SerialLog { get; init; }

    /// <summary>Needed by UEFI machines.</summary>
    public UefiFiles? Uefi { get; init; }

    /// <summary>Start as the destination of a live migration: wait for the memory.</summary>
    public bool Incoming { get; init; }
}

/// <summary>The two flash images of a UEFI machine.</summary>
/// <param name="Code">The firmware's read-only code, one per host.</param>
/// <param name="Variables">The machine's own variables (<c>NAME.nvram</c>).</param>
public sealed record UefiFiles(string Code, string Variables);
