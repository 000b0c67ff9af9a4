using System.Text.Json;
using Alveare.Kvm.Files;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>What a restarted agent must know of a QEMU that it finds: kept as JSON in its run directory.</summary>
public sealed record RunRecord
{
    public required DatastorePath Config { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>The epoch this host holds the machine's lock at; 0 for a destination that does not hold it yet.</summary>
    public required long LockEpoch { get; init; }

    public required RunAttachments Attachments { get; init; }

    /// <summary>What it was made of, with the resource controls that it was given since: so it is known while its datastore hangs. Null in a record
    /// of an older agent.</summary>
    public MachineSpec? Spec { get; init; }

    /// <summary>The CPU that the guest sees; null in a record of an older agent.</summary>
    public string? CpuModel { get; init; }

    /// <summary>False while the start is not finished: the guest was to execute and has not been told to yet.</summary>
    public bool HasBegun { get; init; } = true;

    /// <summary>An administrator powered it off, and it is ended now.</summary>
    public bool IsPoweredOff { get; init; }

    /// <summary>The migration in progress, or null.</summary>
    public MigrationRecord? Migration { get; init; }

    /// <summary>The last migration that brought the machine here: a repeated question for its outcome is answered by it.</summary>
    public Guid? ArrivedBy { get; init; }

    /// <summary>Reads a run directory's record, or null when it has none (the agent ended before it wrote one) or a broken one (it is not
    /// flushed, and the host lost power).</summary>
    public static RunRecord? Read(RunDirectory run)
    {
        try
        {
            return WholeFile.Read<RunRecord>(run.Record);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    public void Write(RunDirectory run) => WholeFile.Replace(run.Record, this, flush: false);
}

/// <summary>One end of a migration as the run directory remembers it.</summary>
/// <param name="Peer">The host at the other end.</param>
/// <param name="SourceEpoch">The epoch that the source holds the lock at; whoever publishes the next one has the machine.</param>
public sealed record MigrationRecord(Guid Id, MigrationRole Role, EntityId Peer, long SourceEpoch, MigrationSettings Settings);
