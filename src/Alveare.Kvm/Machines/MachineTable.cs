using System.Collections.Concurrent;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Machines;

/// <summary>The machines of this host, in memory, in the registry and in what watchers are told.</summary>
public sealed class MachineTable(HostState state, Registry registry) : IDisposable
{
    private readonly ConcurrentDictionary<EntityId, Machine> machines = new();

    public IEnumerable<Machine> All => machines.Values;

    public Machine Find(EntityId id) =>
        TryFind(id) ?? throw new FaultException(new NotFound("virtual machine", id.ToString()));

    public Machine? TryFind(EntityId id) => machines.GetValueOrDefault(id);

    /// <summary>Adds a machine that is remembered over restarts; one that cannot be is not added.</summary>
    public Machine Add(HostMachine machine)
    {
        registry.Add(machine.Id, machine.Config);
        return AddVisiting(machine);
    }

    /// <summary>Adds a machine that is not remembered, such as one that is not this host's yet.</summary>
    public Machine AddVisiting(HostMachine machine)
    {
        var added = machines.GetOrAdd(machine.Id, _ => new Machine(state, machine));
        state.Publish(new MachineChanged(added.Current));
        return added;
    }

    /// <summary>Remembers a machine over restarts.</summary>
    public void Keep(Machine machine) => registry.Add(machine.Id, machine.Current.Config);

    /// <summary>Makes sure that a machine which is to come here can be kept when it has come.</summary>
    public void Expect(Machine machine) => registry.Expect(machine.Id, machine.Current.Config);

    /// <summary>Forgets a machine that was to come here and did not, unless it is registered here anyway: then it is off.</summary>
    public void Return(Machine machine)
    {
        registry.ExpectNoMore(machine.Id);
        if (registry.Knows(machine.Id))
            machine.Change(m => m.PoweredOff());
        else
            Remove(machine);
    }

    /// <summary>Forgets a machine that another host has now. Where that cannot be written down it stays, off: a center takes registrations away
    /// that are too many.</summary>
    public void Leave(Machine machine)
    {
        try
        {
            Remove(machine);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            machine.Change(m => m.PoweredOff());
        }
    }

    /// <param name="survives">As of <see cref="Registry.Remove"/>.</param>
    public void Remove(Machine machine, bool survives = true)
    {
        registry.Remove(machine.Id, survives);
        machine.IsRemoved = true;
        if (machines.TryRemove(machine.Id, out _))
            state.Publish(new MachineRemoved(machine.Id));
    }

    public void Dispose()
    {
        foreach (var machine in machines.Values)
            machine.Dispose();
    }
}
