using System.Collections.Immutable;
using Alveare.Kvm.Cgroups;
using Alveare.Model;

namespace Alveare.Kvm;

/// <summary>How the agent of one machine is set up.</summary>
public sealed record KvmOptions
{
    /// <summary>The host's identity, the same for its whole life.</summary>
    public required EntityId HostId { get; init; }

    public required string HostName { get; init; }

    /// <summary>What this host must know for good, such as which machines are registered.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Run directories of machines, worth nothing once they have ended, so better in memory than on a disk. Must be this agent's alone, and
    /// its path short: unix sockets live below it.</summary>
    public string RunDirectory
    {
        get => field ?? Path.Combine(StateDirectory, "run");
        init;
    }

    /// <summary>IP address other hosts send memory to.</summary>
    public required string MigrationAddress { get; init; }

    /// <summary>Network device that joins port groups to those of other hosts, or null for port groups of this host alone.</summary>
    public string? Uplink { get; init; }

    /// <summary>Of the way to other hosts over the uplink, in Mbit/s; null for what the device says.</summary>
    public int? UplinkSpeed { get; init; }

    public required IdSource Ids { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public string AgentVersion { get; init; } = "0.1.0";

    /// <summary>Where machines have their control groups; null for where this agent may make them.</summary>
    public ControlGroupHierarchies? ControlGroups { get; init; }

    /// <summary>How often this host and its machines are sampled.</summary>
    public TimeSpan StatisticsInterval { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Program and arguments that power this machine down, such as <c>systemctl poweroff</c>; empty: it is never powered down.</summary>
    public ImmutableArray<string> PowerDownCommand { get; init; } = [];

    /// <summary>How often the host's CPU and memory are divided anew among its machines, by what they want.</summary>
    public TimeSpan DivisionInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a machine whose QEMU died here while it moved may still be claimed by its destination: only one that already has everything
    /// can, and it is quick.</summary>
    public TimeSpan ClaimTimeAfterDeath { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Code cache of each machine under software emulation.</summary>
    public int TranslationCacheMib { get; init; } = 64;
}
