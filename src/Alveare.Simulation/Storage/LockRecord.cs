using Alveare.Model;

namespace Alveare.Simulation.Storage;

/// <summary>The newest record of a machine's on-disk lock.</summary>
/// <param name="Epoch">Rises with every taking and releasing, never falls; 0 when it was never taken.</param>
/// <param name="Owner">The host that may run the machine, or null when it is free.</param>
public sealed record LockRecord(long Epoch, EntityId? Owner, string? OwnerName)
{
    public static readonly LockRecord None = new(0, null, null);

    /// <summary>What a taking takes of the datastore; a releasing is an empty file.</summary>
    public static readonly Bytes TakingSize = new(4096);
}
