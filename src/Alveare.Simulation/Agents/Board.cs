using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Hosts;

namespace Alveare.Simulation.Agents;

/// <summary>What an agent says of its host: a snapshot, and its changes to every watcher.</summary>
internal sealed class Board(HostFacts facts)
{
    private HostFacts facts = facts;
    private readonly List<Subscription> watchers = [];
    private readonly SortedDictionary<EntityId, HostMachine> machines = [];
    private ImmutableArray<HostDatastore> datastores = [];
    private ImmutableArray<PortGroupSpec> portGroups = [];

    private long revision;

    /// <summary>The next revision of a machine; they rise over all machines.</summary>
    public long NextRevision() => ++revision;

    public bool IsPoweringDown => facts.IsPoweringDown;

    public string? PowerDownProblem => facts.PowerDownProblem;

    public void PowerDown()
    {
        facts = facts with { IsPoweringDown = true };
        Tell(new FactsChanged(facts));
    }

    public HostSnapshot Snapshot => new(facts, [.. machines.Values], datastores, portGroups);

    public void Watch(Subscription watcher)
    {
        watcher.Put(new HostObserved(Snapshot));
        watchers.Add(watcher);
    }

    public void Unwatch(Subscription watcher) => watchers.Remove(watcher);

    public void Put(HostMachine machine)
    {
        machines[machine.Id] = machine;
        Tell(new MachineChanged(machine));
    }

    public void Remove(EntityId machine)
    {
        if (machines.Remove(machine))
            Tell(new MachineRemoved(machine));
    }

    public void Put(ImmutableArray<HostDatastore> offered)
    {
        datastores = offered;
        Tell(new DatastoresChanged(offered));
    }

    public void Put(ImmutableArray<PortGroupSpec> applied)
    {
        portGroups = applied;
        // There is no change record of port groups: watchers get the whole state.
        Tell(new HostObserved(Snapshot));
    }

    public void Raise(string kind, EntityId subject, string message, bool isProblem) =>
        Tell(new HostEventRaised(kind, subject, message, isProblem));

    public void Tell(HostChange change)
    {
        foreach (var watcher in watchers)
            watcher.Put(change);
    }
}
