using System.Collections.Immutable;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>A machine that was destroyed: its identity and the files that it had. Other files of the same identity are another machine.</summary>
public readonly record struct DestroyedMachine(EntityId Machine, DatastorePath Config);

/// <summary>The machines that were destroyed, so that what a host still has registered of one is not taken for a machine; it survives the engine.</summary>
/// <remarks>A host may be away for weeks: the newest are kept, whatever else was done since.</remarks>
public sealed class DestroyedMachines(IStore store, TimeProvider clock)
{
    /// <summary>How many are kept.</summary>
    public const int Kept = 20_000;

    private readonly Lock _gate = new();
    private readonly LinkedList<Note> _oldestFirst = [];
    private readonly Dictionary<DestroyedMachine, LinkedListNode<Note>> _notes = [];

    /// <summary>All that are known.</summary>
    public ImmutableHashSet<DestroyedMachine> All { get; private set; } = [];

    /// <summary>Reads those that are stored. Call once.</summary>
    public void Load()
    {
        var stored = store.Load(StoreKind.Destroyed).Select(r => (r.Key, Machine: ModelJson.Read<Stored>(r.Json)));
        foreach (var (key, machine) in stored.OrderBy(s => s.Machine.At))
            Put(new DestroyedMachine(MachineIn(key), machine.Config), key);
        All = [.. _notes.Keys];
    }

    /// <summary>Adds one; answers what the caller is to store with the machine's end.</summary>
    public IReadOnlyList<StoreCompanion> Add(EntityId machine, DatastorePath config)
    {
        lock (_gate)
        {
            var added = new DestroyedMachine(machine, config);
            var key = _notes.TryGetValue(added, out var known) ? Forget(known).Key : $"{machine} {config.Datastore} {config.Path}";
            Put(added, key);
            All = All.Add(added);
            List<StoreWrite> writes = [new(StoreKind.Destroyed, key, ModelJson.Write(new Stored(config, clock.GetUtcNow())))];
            if (_notes.Count > Kept)
                writes.Add(Forget(_oldestFirst.First!));
            // Nothing takes it back: its files are gone whatever becomes of the record.
            return [.. writes.Select(w => new StoreCompanion(w, Otherwise: w))];
        }
    }

    /// <summary>Files of a machine that was destroyed are there again, and wanted.</summary>
    public Task RemoveAsync(DestroyedMachine machine)
    {
        lock (_gate)
            return _notes.TryGetValue(machine, out var known) ? store.CommitAsync([Forget(known)]) : Task.CompletedTask;
    }

    // An earlier build knew the last files of each machine alone: its key is the identity without them.
    private static EntityId MachineIn(string key) => EntityId.Parse(key.Split(' ')[0]);

    private void Put(DestroyedMachine machine, string key) => _notes[machine] = _oldestFirst.AddLast(new Note(machine, key));

    private StoreWrite Forget(LinkedListNode<Note> known)
    {
        _notes.Remove(known.Value.Machine);
        _oldestFirst.Remove(known);
        All = All.Remove(known.Value.Machine);
        return new StoreWrite(StoreKind.Destroyed, known.Value.Key, null);
    }

    /// <param name="Key">What it is stored under.</param>
    private sealed record Note(DestroyedMachine Machine, string Key);

    private sealed record Stored(DatastorePath Config, DateTimeOffset At);
}
