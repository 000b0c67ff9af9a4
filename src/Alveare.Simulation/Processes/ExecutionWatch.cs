using Alveare.Model;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Processes;

/// <summary>The first invariant, watched at every moment something could break it: a machine executes in at most one place, and only
/// where its lock is held.</summary>
public sealed class ExecutionWatch(World world)
{
    private readonly Dictionary<EntityId, List<SimulatedQemu>> executing = [];
    private readonly Dictionary<(SimulatedDatastore Datastore, string Lock), List<SimulatedQemu>> locked = [];

    /// <summary>The QEMUs in which a machine executes now.</summary>
    public IReadOnlyList<SimulatedQemu> Of(EntityId machine) => executing.GetValueOrDefault(machine, []);

    public void Begins(SimulatedQemu qemu)
    {
        var places = Add(executing, qemu.Machine, qemu);
        Add(locked, (qemu.Datastore, qemu.LockName), qemu);
        if (places.Count > 1)
            world.Break($"'{qemu.Name}' executes in {places.Count} places: {string.Join(", ", places.Select(q => q.HostName))}.");
        if (qemu.Datastore.ReadLock(qemu.LockName) is var held && held.Owner != qemu.Host)
            world.Break($"'{qemu.Name}' executes on {qemu.HostName}, but its lock is held by {held.OwnerName ?? "nobody"} (epoch {held.Epoch}).");
    }

    public void Ends(SimulatedQemu qemu)
    {
        executing.GetValueOrDefault(qemu.Machine)?.Remove(qemu);
        locked.GetValueOrDefault((qemu.Datastore, qemu.LockName))?.Remove(qemu);
    }

    public void LockMoved(SimulatedDatastore datastore, string name, LockRecord record)
    {
        foreach (var qemu in locked.GetValueOrDefault((datastore, name), []))
        {
            if (record.Owner != qemu.Host)
                world.Break($"The lock of '{qemu.Name}' went to {record.OwnerName ?? "nobody"} (epoch {record.Epoch}) while it executes on {qemu.HostName}.");
        }
    }

    private static List<SimulatedQemu> Add<T>(Dictionary<T, List<SimulatedQemu>> all, T key, SimulatedQemu qemu)
        where T : notnull
    {
        if (!all.TryGetValue(key, out var places))
            all[key] = places = [];
        places.Add(qemu);
        return places;
    }
}
