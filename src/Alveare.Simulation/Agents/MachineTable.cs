using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Simulation.Agents;

/// <summary>The machines an agent knows, in memory, in the registry and on its board.</summary>
internal sealed class MachineTable(Board board, HostDisk disk)
{
    private readonly SortedDictionary<EntityId, AgentMachine> machines = [];

    public IReadOnlyList<AgentMachine> All => [.. machines.Values];

    public AgentMachine Find(EntityId id) => TryFind(id) ?? throw new FaultException(new NotFound("virtual machine", id.ToString()));

    public AgentMachine? TryFind(EntityId id) => machines.GetValueOrDefault(id);

    /// <summary>Adds a machine that is not (yet) remembered over restarts; answers the known one when there is one.</summary>
    public AgentMachine AddVisiting(HostMachine machine)
    {
        if (TryFind(machine.Id) is { } known)
            return known;
        var added = machines[machine.Id] = new AgentMachine(board, machine);
        board.Put(added.Current);
        return added;
    }

    public AgentMachine Add(HostMachine machine)
    {
        var added = AddVisiting(machine);
        Keep(added);
        return added;
    }

    public void Keep(AgentMachine machine) => disk.Machines[machine.Id] = machine.Current.Config;

    /// <summary>Forgets a machine that was to come here and did not, unless it is registered here anyway: then it is off.</summary>
    public void Return(AgentMachine machine)
    {
        if (disk.Machines.ContainsKey(machine.Id))
            machine.Change(m => m.PoweredOff());
        else
            Remove(machine);
    }

    public void Remove(AgentMachine machine)
    {
        disk.Machines.Remove(machine.Id);
        machines.Remove(machine.Id);
        board.Remove(machine.Id);
    }
}
