using System.Collections.Immutable;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>A machine that was destroyed: which files it had, and when.</summary>
public sealed record DestroyedMachine(DatastorePath Config, DateTimeOffset At);

/// <summary>The machines that were destroyed, so that what a host still has registered of one is not taken for a machine; it survives the engine.</summary>
/// <remarks>A host may be away for weeks: the newest are kept, whatever else was done since.</remarks>
public sealed class DestroyedMachines(IStore store, TimeProvider clock)
{
    /// <summary>How many are kept.</summary>
    public const int Kept = 20_000;

    private readonly Lock _gate = new();

    /// <summary>All that are known, by their identities.</summary>
    public ImmutableDictionary<EntityId, DestroyedMachine> All { get; private set; } = ImmutableDictionary<EntityId, DestroyedMachine>.Empty;

    /// <summary>Reads those that are stored. Call once.</summary>
    public void Load() => All = store.Load(StoreKind.Destroyed)
        .ToImmutableDictionary(r => EntityId.Parse(r.Key), r => ModelJson.Read<DestroyedMachine>(r.Json));

    /// <summary>Adds one; answers what the caller is to store with the machine's end.</summary>
    public IReadOnlyList<StoreCompanion> Add(EntityId machine, DatastorePath config)
    {
        lock (_gate)
        {
            var added = new DestroyedMachine(config, clock.GetUtcNow());
            All = All.SetItem(machine, added);
            List<StoreWrite> writes = [Write(machine, added)];
            if (All.Count > Kept)
                writes.Add(Drop(All.MinBy(m => m.Value.At).Key));
            // Nothing takes it back: its files are gone whatever becomes of the record.
            return [.. writes.Select(w => new StoreCompanion(w, Otherwise: w))];
        }
    }

    /// <summary>A machine that was destroyed is there again, and wanted.</summary>
    public Task RemoveAsync(EntityId machine)
    {
        lock (_gate)
            return All.ContainsKey(machine) ? store.CommitAsync([Drop(machine)]) : Task.CompletedTask;
    }

    private StoreWrite Drop(EntityId machine)
    {
        All = All.Remove(machine);
        return Write(machine, null);
    }

    private static StoreWrite Write(EntityId machine, DestroyedMachine? destroyed) =>
        new(StoreKind.Destroyed, machine.ToString(), destroyed is null ? null : ModelJson.Write(destroyed));
}
