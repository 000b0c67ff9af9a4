namespace Alveare.Wire.Rest;

// What a client reads of the server's records. The server may say more: readers skip what they do not know.

/// <summary>What every object of the inventory has.</summary>
public record ObjectDto(string Id, string Kind, string Name, string? Parent);

/// <summary>A virtual machine or template.</summary>
public sealed record VmDto(
    string Id, string Kind, string Name, string? Parent, string? Host, MachineSpecDto? Spec, string? InvalidReason, string Power, bool IsStale,
    GuestDto? Guest, DateTimeOffset? StartedAt, string? BusyTask, DatastorePathDto Config, long LockEpoch) : ObjectDto(Id, Kind, Name, Parent);

/// <summary>A file in a datastore.</summary>
public sealed record DatastorePathDto(string Datastore, string Path);

/// <summary>What a machine is made of. Sizes in bytes.</summary>
public sealed record MachineSpecDto(
    Guid Uuid, string Name, int Cpus, long Memory, string Firmware, string? CpuModel, bool IsTemplate, IReadOnlyList<DiskDto> Disks, IReadOnlyList<NicDto> Nics,
    IReadOnlyList<string> DevicesLeftOut);

/// <summary>A virtual disk.</summary>
public sealed record DiskDto(string File, long Capacity, string Format);

/// <summary>A virtual network card.</summary>
public sealed record NicDto(string Mac, string PortGroup);

/// <summary>What the guest's agent says.</summary>
public sealed record GuestDto(string? HostName, string? OsName, IReadOnlyList<string> Addresses);

/// <summary>A joined host.</summary>
public sealed record HostDto(
    string Id, string Kind, string Name, string? Parent, string Address, string Fingerprint, string Connection, string? Problem, string Maintenance, string Standby,
    int FailedWakes, HostFactsDto? Facts, IReadOnlyList<HostDatastoreDto> Datastores, IReadOnlyList<string> PortGroups) : ObjectDto(Id, Kind, Name, Parent);

/// <summary>What a host says of itself.</summary>
public sealed record HostFactsDto(
    string HostName, string AgentVersion, string QemuVersion, string Accelerator, string? AcceleratorWarning, int CpuThreads, long CpuClock, string CpuModel, long Memory,
    long MemoryForGuests, string MigrationAddress);

/// <summary>A datastore as one host sees it.</summary>
public sealed record HostDatastoreDto(string Id, string Name, string Path, long Capacity, long Free, string? Problem);

/// <summary>A datastore.</summary>
public sealed record DatastoreDto(string Id, string Kind, string Name, string? Parent, string Path, long Capacity, long Free) : ObjectDto(Id, Kind, Name, Parent);

/// <summary>A port group.</summary>
public sealed record PortGroupDto(string Id, string Kind, string Name, string? Parent, int Vni) : ObjectDto(Id, Kind, Name, Parent);

/// <summary>A resource pool.</summary>
public sealed record PoolDto(string Id, string Kind, string Name, string? Parent, PoolControlsDto Controls) : ObjectDto(Id, Kind, Name, Parent);

/// <summary>What a resource pool is promised, held to and weighs.</summary>
public sealed record PoolControlsDto(PoolControlDto Cpu, PoolControlDto Memory, PoolDiskControlDto Disk, PoolNetworkControlDto Network);

/// <summary>Of all disks of a pool's machines together: requests and bytes a second. Limits are null for none, shares for normal.</summary>
public sealed record PoolDiskControlDto(int? IopsLimit, long? BandwidthLimit, int? Shares);

/// <summary>Of all network cards of a pool's machines together: bytes a second. Limits are null for none, shares for normal.</summary>
public sealed record PoolNetworkControlDto(long? OutLimit, long? InLimit, int? Shares);

/// <summary>One resource of a pool: megahertz of CPU, bytes of memory. Shares are null for normal.</summary>
public sealed record PoolControlDto(long Reservation, long? Limit, int? Shares, bool IsExpandable);

/// <summary>An operation being carried out, or its outcome.</summary>
/// <param name="State">queued, running, succeeded, failed or cancelled.</param>
public sealed record TaskDto(
    string Id, string Operation, string Target, string TargetName, string User, string State, double? Percent, string? Step, MigrationProgressDto? Migration,
    DateTimeOffset QueuedAt, DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, string? Result, string? ResultName, MigrationFiguresDto? Figures, FaultDto? Fault,
    bool CancelRequested, long Version, bool HasEnded, string? Reason = null);

/// <summary>Why a task failed.</summary>
/// <param name="Fault">Stable name for programs.</param>
/// <param name="Message">The sentence for people.</param>
public sealed record FaultDto(string Fault, string Message);

/// <summary>Progress of a live migration. Bytes, and bytes per second.</summary>
public sealed record MigrationProgressDto(string Phase, long Total, long Transferred, long Remaining, double BytesPerSecond, double DirtyBytesPerSecond);

/// <summary>What a live migration cost. Bytes, and bytes per second on the average.</summary>
public sealed record MigrationFiguresDto(TimeSpan Total, TimeSpan Pause, long Transferred, double DirtyBytesPerSecond);

/// <summary>One thing that happened.</summary>
public sealed record EventDto(long Id, DateTimeOffset At, string Severity, string Kind, string? Subject, string? User, string Message);

/// <summary>One machine over one interval.</summary>
public sealed record MachineSampleDto(
    string Machine, DateTimeOffset At, double CpuPercent, double CpuReadyPercent, long MemoryConsumed, long MemoryActive, long MemoryBallooned,
    double DiskReadBytesPerSecond, double DiskWriteBytesPerSecond, double NetworkReceivedBytesPerSecond, double NetworkSentBytesPerSecond);

/// <summary>One host over one interval.</summary>
public sealed record HostSampleDto(
    string Host, DateTimeOffset At, double CpuPercent, long MemoryUsed, double NetworkReceivedBytesPerSecond, double NetworkSentBytesPerSecond, int RunningMachines);

/// <summary>Which CPU baselines the hosts of a cluster could have.</summary>
public sealed record CpuSurveyDto(string? Baseline, string? HighestLevel, IReadOnlyList<string> CommonModels, IReadOnlyList<HostCpuSurveyDto> Hosts);

/// <summary>What one host of a cluster can give a guest.</summary>
public sealed record HostCpuSurveyDto(string Host, string Cpu, string Level, string? NextLevel, IReadOnlyList<string> MissingOfNext);

/// <summary>What a cluster would do: move a machine, put a host to standby, or wake one.</summary>
public sealed record RecommendationDto(
    string Id, string Kind, string? Vm, string? VmName, string? From, string? FromName, string? To, string? ToName, string Reason, double Gain, double Cost, DateTimeOffset MadeAt);

/// <summary>What putting a host into maintenance does.</summary>
public sealed record MaintenancePlanDto(
    string Host, IReadOnlyList<MaintenanceMoveDto> Moves, IReadOnlyList<MaintenanceStayDto> Staying, double Seconds, bool IsPossible, IReadOnlyList<string> Warnings);

/// <summary>A machine that leaves a host, or makes room for one that does; bytes and seconds.</summary>
public sealed record MaintenanceMoveDto(
    string Vm, string Name, string From, string FromName, string To, string ToName, bool IsLive, long Memory, double Seconds, string? With, string? For, string? ForName);

/// <summary>A machine that no other host takes.</summary>
public sealed record MaintenanceStayDto(string Vm, string Name, string Reason, bool IsInTheWay);

/// <summary>A rule of a cluster, in words, and which of its machines break it now.</summary>
public sealed record RuleAnswerDto(RuleDto Rule, string Text, IReadOnlyList<string> Machines, bool IsBroken, IReadOnlyList<string> Breaking);

/// <summary>A rule of a cluster.</summary>
public sealed record RuleDto(string Name, string Kind, bool IsMust, int Priority, bool IsEnabled);
