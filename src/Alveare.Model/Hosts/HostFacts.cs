using System.Collections.Immutable;
using Alveare.Model.Machines;

namespace Alveare.Model.Hosts;

/// <summary>How a host executes guests.</summary>
public enum Accelerator
{
    /// <summary>Hardware virtualization, proven by a guest that ran.</summary>
    Kvm,

    /// <summary>Software emulation: correct, slow; the host warns.</summary>
    Emulation,
}

/// <summary>What a host is: changes only when its hardware or software does.</summary>
public sealed record HostFacts
{
    public required EntityId Id { get; init; }

    public required string HostName { get; init; }

    /// <summary>Version of the agent's own program.</summary>
    public required string AgentVersion { get; init; }

    public required string QemuVersion { get; init; }

    public required Accelerator Accelerator { get; init; }

    /// <summary>Why hardware virtualization is not used; null when it is.</summary>
    public string? AcceleratorWarning { get; init; }

    public required int CpuThreads { get; init; }

    public required Megahertz CpuClock { get; init; }

    public required string CpuModel { get; init; }

    /// <summary>CPU features a guest can get here, QEMU's names, sorted.</summary>
    public ImmutableArray<string> CpuFeatures { get; init; } = [];

    /// <summary>The processor models that QEMU knows by name, and what this host lacks of each; in the order of their names.</summary>
    public ImmutableArray<HostCpuModel> CpuModels { get; init; } = [];

    public required Bytes Memory { get; init; }

    /// <summary>Memory the host keeps for itself: guests together never get it.</summary>
    public Bytes MemoryReserved { get; init; }

    /// <summary>IP address other hosts reach this one at, for migration.</summary>
    public required string MigrationAddress { get; init; }

    /// <summary>It was told to power down and is about to: it takes no machine any more.</summary>
    public bool IsPoweringDown { get; init; }

    /// <summary>Why it cannot power itself down; null when it can, and from an agent that is too old to say.</summary>
    public string? PowerDownProblem { get; init; }

    public Megahertz CpuCapacity => new(CpuThreads * CpuClock.Value);

    public Bytes MemoryForGuests => Memory - MemoryReserved;

    public bool Equals(HostFacts? other) =>
        other is not null && Id == other.Id && HostName == other.HostName && AgentVersion == other.AgentVersion
        && QemuVersion == other.QemuVersion && Accelerator == other.Accelerator && AcceleratorWarning == other.AcceleratorWarning
        && CpuThreads == other.CpuThreads && CpuClock == other.CpuClock && CpuModel == other.CpuModel && Memory == other.Memory
        && MemoryReserved == other.MemoryReserved && MigrationAddress == other.MigrationAddress && IsPoweringDown == other.IsPoweringDown
        && PowerDownProblem == other.PowerDownProblem
        && CpuFeatures.SequenceEqual(other.CpuFeatures) && CpuModels.SequenceEqual(other.CpuModels);

    public override int GetHashCode() => HashCode.Combine(Id, HostName, AgentVersion, QemuVersion, Memory);
}

/// <summary>A named processor model on one host.</summary>
/// <param name="Missing">The features of it that a guest cannot get there, QEMU's names; empty where it can be had whole.</param>
public sealed record HostCpuModel(string Name, ImmutableArray<string> Missing)
{
    public bool Equals(HostCpuModel? other) => other is not null && Name == other.Name && Missing.SequenceEqual(other.Missing);

    public override int GetHashCode() => HashCode.Combine(Name, Missing.Length);
}

/// <summary>One datastore as one host sees it.</summary>
public sealed record HostDatastore
{
    public required EntityId Id { get; init; }

    public required string Name { get; init; }

    /// <summary>Mount path on this host.</summary>
    public required string Path { get; init; }

    public Bytes Capacity { get; init; }

    public Bytes Free { get; init; }

    /// <summary>Why it cannot be used right now, or null.</summary>
    public string? Problem { get; init; }
}

/// <summary>A port group every host of a datacenter offers: a layer-2 network that machines' NICs connect to, joined between hosts by VXLAN.</summary>
/// <param name="Vni">VXLAN network identifier, 1 to 16,777,215.</param>
public sealed record PortGroupSpec(EntityId Id, string Name, int Vni);

/// <summary>What the guest agent says of a running guest.</summary>
public sealed record GuestFacts
{
    public string? HostName { get; init; }

    public string? OsName { get; init; }

    public ImmutableArray<string> Addresses { get; init; } = [];

    public bool Equals(GuestFacts? other) =>
        other is not null && HostName == other.HostName && OsName == other.OsName && Addresses.SequenceEqual(other.Addresses);

    public override int GetHashCode() => HashCode.Combine(HostName, OsName, Addresses.Length);
}

/// <summary>One registered machine as its host sees it.</summary>
public sealed record HostMachine
{
    public required EntityId Id { get; init; }

    /// <summary>Where its <c>.vmx</c> is.</summary>
    public required DatastorePath Config { get; init; }

    /// <summary>Its content, or null when the file cannot be read (see <see cref="InvalidReason"/>) and while it has not been.</summary>
    public MachineSpec? Spec { get; init; }

    /// <summary>Why the files are not a valid machine, or null.</summary>
    public string? InvalidReason { get; init; }

    /// <summary>Its host has not read its files since its agent started: their datastore has not answered yet. What was known of them before stands.</summary>
    public bool IsUnread => Spec is null && InvalidReason is null;

    public PowerState Power { get; init; }

    /// <summary>Fencing epoch of the on-disk lock as last seen; a command that carries an older one is refused.</summary>
    public long LockEpoch { get; init; }

    /// <summary>The live migration this machine takes part in on this host, or null.</summary>
    public HostMigration? Migration { get; init; }

    public GuestFacts? Guest { get; init; }

    /// <summary>The CPU that the guest sees (a level such as <c>x86-64-v2</c> or a named model), as long as the machine is on; null while it is
    /// off, and where the host's program is too old to tell.</summary>
    public string? CpuModel { get; init; }

    /// <summary>When the machine was powered on, or null while it is off.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>Which of two words about the machine is the newer one: rises with every change of any machine while the agent runs. A command's
    /// reply and the watch come over different streams, so one may overtake the other.</summary>
    public long Revision { get; init; }

    /// <summary>The machine with nothing left of its run.</summary>
    public HostMachine PoweredOff() => this with { Power = PowerState.Off, StartedAt = null, Guest = null, Migration = null, CpuModel = null };
}

/// <summary>Everything a host knows at one moment.</summary>
public sealed record HostSnapshot(
    HostFacts Facts,
    ImmutableArray<HostMachine> Machines,
    ImmutableArray<HostDatastore> Datastores,
    ImmutableArray<PortGroupSpec> PortGroups);
