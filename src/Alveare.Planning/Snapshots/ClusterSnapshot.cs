using System.Collections.Immutable;

namespace Alveare.Planning.Snapshots;

/// <summary>A cluster at one moment as values: what every what-if works on. Field names and units are those of the snapshot file.</summary>
public sealed record ClusterSnapshot
{
    public string Name { get; init; } = "";

    public ImmutableArray<SnapshotHost> Hosts { get; init; } = [];

    /// <summary>Hosts in standby that can be woken; nothing runs on them, and nothing is planned onto them but to wake them.</summary>
    public ImmutableArray<SnapshotHost> Asleep { get; init; } = [];

    public ImmutableArray<SnapshotVm> Vms { get; init; } = [];

    public ImmutableArray<SnapshotRule> Rules { get; init; } = [];

    /// <summary>Every machine is promised all of its memory, as a site does that places machines by what they may take: then a new one is too.</summary>
    public bool IsMemoryPromised { get; init; }

    /// <summary>An id that no machine has: the one that is wished for, or one like it.</summary>
    public string UnusedVm(string wished)
    {
        while (Vms.Any(v => v.Id == wished))
            wished += "'";
        return wished;
    }

    /// <summary>The same cluster with these machines on these hosts, by id.</summary>
    public ClusterSnapshot WithMoved(IReadOnlyDictionary<string, string> hosts) =>
        this with { Vms = [.. Vms.Select(v => v with { Host = hosts.GetValueOrDefault(v.Id, v.Host) })] };

    /// <summary>The same cluster, in which these machines cannot leave their hosts; they count as load all the same.</summary>
    public ClusterSnapshot WithStaying(Func<SnapshotVm, bool> stays) =>
        this with { Vms = [.. Vms.Select(v => stays(v) ? v with { OnlyOn = [v.Host] } : v)] };
}

/// <summary>A host and its capacity.</summary>
public sealed record SnapshotHost(string Id, double CpuMhz, double MemMb);

/// <summary>A running machine: where it is, what it is given, what it uses, and what it was promised.</summary>
public sealed record SnapshotVm
{
    public required string Id { get; init; }

    /// <summary>Id of the host it runs on.</summary>
    public required string Host { get; init; }

    public int Vcpus { get; init; } = 1;

    /// <summary>CPU it asks for, also what it waits for; may exceed its limit.</summary>
    public double CpuDemandMhz { get; init; }

    public double MemMb { get; init; }

    /// <summary>Memory of the host that it takes.</summary>
    public double ConsumedMb { get; init; }

    /// <summary>Memory it touched lately.</summary>
    public double ActiveMb { get; init; }

    public double CpuReservationMhz { get; init; }

    /// <summary>-1 without a limit.</summary>
    public double CpuLimitMhz { get; init; } = -1;

    public double CpuShares { get; init; }

    public double MemReservationMb { get; init; }

    /// <summary>-1 without a limit.</summary>
    public double MemLimitMb { get; init; } = -1;

    public double MemShares { get; init; }

    /// <summary>Ids of the hosts that it can run on at all, such as those that see its files; empty for any. No rule: it is never broken.</summary>
    public ImmutableArray<string> OnlyOn { get; init; } = [];

    /// <summary>Ids of the hosts that it could be started on, where those are not the ones that it can move to as it runs; empty for any.</summary>
    public ImmutableArray<string>? StartsOn { get; init; }

    /// <summary>The same machine if it was off, and is to be started.</summary>
    public SnapshotVm ToBeStarted() => this with { OnlyOn = StartsOn ?? OnlyOn };

    /// <summary>What was said of this machine alone; null where it is as its cluster.</summary>
    public OwnMode? OwnMode { get; init; }

    /// <summary>It stands still, and so long nothing moves it, also when its host is to be empty; of a host that fails it is started elsewhere like the others.</summary>
    public bool IsPaused { get; init; }

    /// <summary>Balancing and power saving neither move it nor recommend it; it leaves its host at most when that is emptied.</summary>
    public bool IsLeftAlone => IsPaused || OwnMode == Snapshots.OwnMode.Off;

    /// <summary>It may be moved so that another finds room.</summary>
    public bool MayMakeRoom => !IsPaused && (OwnMode is null or Snapshots.OwnMode.Full);
}

/// <summary>What a cluster does by itself with one machine; the file has these words in lower case.</summary>
public enum OwnMode
{
    /// <summary>Nothing, and it recommends nothing.</summary>
    Off,

    /// <summary>Its place and its moves are recommended.</summary>
    Manual,

    /// <summary>It is placed when it starts; its moves are recommended.</summary>
    Partial,

    /// <summary>It is placed and moved.</summary>
    Full,
}

/// <summary>What a rule asks of its machines.</summary>
public enum RuleKind
{
    /// <summary>All on one host; the file's word is <c>affinity</c>.</summary>
    Together,

    /// <summary>No two on one host; the file's word is <c>antiAffinity</c>.</summary>
    Apart,

    /// <summary>Each on one of the named hosts; the file's word is <c>vmHostMust</c>.</summary>
    OnHosts,
}

/// <summary>A rule over machines.</summary>
/// <param name="Vms">Ids of its machines.</param>
/// <param name="Hosts">Ids of the allowed hosts; empty unless it is <see cref="RuleKind.OnHosts"/>.</param>
public sealed record SnapshotRule(string Id, RuleKind Kind, ImmutableArray<string> Vms, ImmutableArray<string> Hosts)
{
    public const int MostPriority = 100;

    /// <summary>Of a rule that says on which hosts its machines are not to be: those hosts, by which people call it.</summary>
    public ImmutableArray<string> Off { get; init; } = [];

    /// <summary>Rules with more are mended first, and count more where not all can be kept; 0 to 100.</summary>
    public int Priority { get; init; }

    /// <summary>Must hold. One that only should is broken where a rule that must hold, or room, asks for it.</summary>
    public bool IsMust { get; init; } = true;
}
