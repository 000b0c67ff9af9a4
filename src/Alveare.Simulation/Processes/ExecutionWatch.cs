using Alveare.Model;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Processes;

/// <summary>The first invariant, watched at every moment something could break it: a machine executes in at most one place, and only
/// where its lock is held.</summary>
public sealed class ExecutionWatch(World world)
{
    private readonly SortedDictionary<EntityId, List<SimulatedQemu>> executing = [];

    /// <summary>The QEMUs in which a machine executes now.</summary>
    public IReadOnlyList<SimulatedQemu> Of(EntityId machine) => executing.GetValueOrDefault(machine, []);

    public void Begins(SimulatedQemu qemu)
    {
        if (!executing.TryGetValue(qemu.Machine, out var places))
            executing[qemu.Machine] = places = [];
        places.Add(qemu);
        if (places.Count > 1)
            world.Break($"'{qemu.Name}' executes in {places.Count} places: {string.Join(", ", places.Select(q => q.HostName))}.");
        if (qemu.Datastore.ReadLock(qemu.LockName) is var held && held.Owner != qemu.Host)
            world.Break($"'{qemu.Name}' executes on {qemu.HostName}, but its lock is held by {held.OwnerName ?? "nobody"} (epoch {held.Epoch}).");
    }

    public void Ends(SimulatedQemu qemu) => executing.GetValueOrDefault(qemu.Machine)?.Remove(qemu);

    public void LockMoved(SimulatedDatastore datastore, string name, LockRecord record)
    {
        foreach (var qemu in executing.Values.SelectMany(p => p))
        {
            if (qemu.Datastore == datastore && qemu.LockName == name && record.Owner != qemu.Host)
                world.Break($"The lock of '{qemu.Name}' went to {record.OwnerName ?? "nobody"} (epoch {record.Epoch}) while it executes on {qemu.HostName}.");
        }
    }
}
