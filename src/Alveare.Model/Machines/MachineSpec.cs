using System.Collections.Immutable;
using Alveare.Model.Resources;

namespace Alveare.Model.Machines;

/// <summary>The firmware a machine boots with.</summary>
public enum Firmware
{
    Bios,
    Uefi,
}

/// <summary>The format of a disk file.</summary>
public enum DiskFormat
{
    Qcow2,
    Raw,
}

/// <summary>What a virtual machine is made of: the content of its <c>.vmx</c>, independent of any host.</summary>
/// <remarks>Networks are named, not identified, and disks are files beside the <c>.vmx</c>: so any host that sees the directory
/// can register and start it.</remarks>
public sealed record MachineSpec
{
    public required Guid Uuid { get; init; }

    public required string Name { get; init; }

    /// <summary>Virtual CPUs, 1 to <see cref="MachineLimits.MaxCpus"/>.</summary>
    public required int Cpus { get; init; }

    public required Bytes Memory { get; init; }

    public Firmware Firmware { get; init; } = Firmware.Bios;

    /// <summary>CPU model the guest sees, or null for the accelerator's portable default.</summary>
    public string? CpuModel { get; init; }

    public ImmutableArray<DiskSpec> Disks { get; init; } = [];

    public ImmutableArray<NicSpec> Nics { get; init; } = [];

    /// <summary>True for a template: it can be cloned, not started.</summary>
    public bool IsTemplate { get; init; }

    /// <summary>File (beside the .vmx) with the customization seed that the guest reads at its first boot, or null.</summary>
    public string? CustomizationSeed { get; init; }

    /// <summary>What it is promised, held to, and weighs.</summary>
    public ResourceControls Resources { get; init; } = ResourceControls.None;

    /// <summary>Devices that its <c>.vmx</c> names and machines here do not have, such as <c>CD-ROM ide1:0</c>: it runs without them. They stay in
    /// the file whatever is written into it, and writing this changes nothing.</summary>
    public ImmutableArray<string> DevicesLeftOut { get; init; } = [];

    public EntityId Id => EntityId.Vm(Uuid);

    /// <summary>The same machine with other controls.</summary>
    /// <param name="disks">By disk, in their order; a disk beyond them keeps what it has.</param>
    /// <param name="nics">By network card, likewise.</param>
    public MachineSpec WithControls(ResourceControls resources, ImmutableArray<DiskControl> disks, ImmutableArray<NicControl> nics) => this with
    {
        Resources = resources,
        Disks = [.. Disks.Select((disk, i) => i < disks.Length ? disk with { Control = disks[i] } : disk)],
        Nics = [.. Nics.Select((nic, i) => i < nics.Length ? nic with { Control = nics[i] } : nic)],
    };

    public bool Equals(MachineSpec? other) =>
        other is not null && Uuid == other.Uuid && Name == other.Name && Cpus == other.Cpus && Memory == other.Memory
        && Firmware == other.Firmware && CpuModel == other.CpuModel && IsTemplate == other.IsTemplate
        && CustomizationSeed == other.CustomizationSeed && Resources == other.Resources && Disks.SequenceEqual(other.Disks) && Nics.SequenceEqual(other.Nics)
        && DevicesLeftOut.SequenceEqual(other.DevicesLeftOut);

    public override int GetHashCode() => HashCode.Combine(Uuid, Name, Cpus, Memory, IsTemplate, Disks.Length, Nics.Length);
}

/// <summary>One virtual disk: a file in the machine's directory.</summary>
/// <param name="File">File name relative to the machine's directory; never a path that leaves it.</param>
/// <param name="Capacity">The size the guest sees.</param>
public sealed record DiskSpec(string File, Bytes Capacity, DiskFormat Format = DiskFormat.Qcow2)
{
    /// <summary>What it is held to, and weighs.</summary>
    public DiskControl Control { get; init; } = DiskControl.None;
}

/// <summary>One virtual network card on a port group.</summary>
/// <param name="Mac">Lower-case, colon-separated.</param>
/// <param name="PortGroup">The port group's name; every host must offer it under that name.</param>
public sealed record NicSpec(string Mac, string PortGroup)
{
    /// <summary>What it is held to.</summary>
    public NicControl Control { get; init; } = NicControl.None;
}

/// <summary>The limits a machine's numbers are held to, wherever they come from.</summary>
public static class MachineLimits
{
    public const int MaxCpus = 256;
    public const int MaxNameLength = 80;

    /// <summary>Of a CPU reservation or limit: more than any host has.</summary>
    public const int MaxMegahertz = 10_000_000;

    /// <summary>Of a disk's limit of reads and writes a second: with fewer no guest boots in a time that anybody waits.</summary>
    public const int MinIops = 16;
    public const int MaxIops = 100_000_000;

    /// <summary>Of a limit in bytes a second.</summary>
    public static readonly Bytes MinBandwidth = new(16 * 1024);
    public static readonly Bytes MaxBandwidth = Bytes.FromGib(1024);

    /// <summary>Of what goes faster than a limit's average after a rest.</summary>
    public static readonly Bytes MinBurst = new(16 * 1024);
    public static readonly Bytes MaxBurst = Bytes.FromGib(1);

    public const int MaxDisks = 16;
    public const int MaxNics = 10;
    public static readonly Bytes MinMemory = Bytes.FromMib(16);
    public static readonly Bytes MaxMemory = Bytes.FromGib(6144);

    /// <summary>Of the memory that a machine's process is held to: QEMU without a guest takes about half of it.</summary>
    public static readonly Bytes MinMemoryLimit = Bytes.FromMib(128);
    public static readonly Bytes MinDisk = Bytes.FromMib(1);
    public static readonly Bytes MaxDisk = Bytes.FromGib(62 * 1024);
}

/// <summary>What a guest is told at its first boot (cloud-init style): identity, network, keys, commands.</summary>
public sealed record GuestCustomization
{
    public string? HostName { get; init; }

    /// <summary>IPv4 address with prefix for the first NIC, such as <c>192.0.2.10/24</c>, or null for DHCP.</summary>
    public string? Address { get; init; }

    public string? Gateway { get; init; }

    public ImmutableArray<string> SshKeys { get; init; } = [];

    /// <summary>Shell lines run once at the end of the first boot.</summary>
    public ImmutableArray<string> Commands { get; init; } = [];

    public bool Equals(GuestCustomization? other) =>
        other is not null && HostName == other.HostName && Address == other.Address && Gateway == other.Gateway
        && SshKeys.SequenceEqual(other.SshKeys) && Commands.SequenceEqual(other.Commands);

    public override int GetHashCode() => HashCode.Combine(HostName, Address, Gateway, SshKeys.Length, Commands.Length);
}
