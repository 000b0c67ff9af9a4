using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>One host's word on one machine.</summary>
internal readonly record struct MachineClaim(EntityId Host, HostMachine Machine)
{
    /// <summary>True while the guest executes there, or would but for being paused. A migration's destination only waits until it commits.</summary>
    public bool Runs => Machine.Power is PowerState.On or PowerState.Paused
        && Machine.Migration is not { Role: MigrationRole.Destination, Phase: not MigrationPhase.Commit };
}

/// <summary>What the connected hosts say of their machines: the basis on which each machine gets its one place in the inventory.</summary>
internal sealed class MachineClaims
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, SortedDictionary<EntityId, Stamped>> _hosts = [];
    private long _stamp;

    /// <summary>A moment: what is put after it counts as newer than what was asked for at it.</summary>
    public long Now
    {
        get
        {
            lock (_gate)
                return _stamp;
        }
    }

    public bool IsConnected(EntityId host)
    {
        lock (_gate)
            return _hosts.ContainsKey(host);
    }

    /// <summary>Takes a host's whole word as of a moment; answers the machines that it said or had said.</summary>
    /// <param name="asOf">Single machines put since then are newer and stay; null for a word that replaces everything.</param>
    public IReadOnlyCollection<EntityId> Replace(EntityId host, IEnumerable<HostMachine> machines, long? asOf)
    {
        lock (_gate)
        {
            var old = _hosts.GetValueOrDefault(host) ?? [];
            SortedDictionary<EntityId, Stamped> said = [];
            foreach (var machine in machines)
                said[machine.Id] = new Stamped(machine, _stamp);
            foreach (var (id, kept) in old.Where(o => o.Value.Stamp > asOf))
                said[id] = kept;
            _hosts[host] = said;
            return [.. old.Keys.Union(said.Keys)];
        }
    }

    /// <summary>Takes a host's word on one machine. False for one that is older than what is known: lock epochs never go down (but a machine
    /// whose files cannot be read has none).</summary>
    public bool Put(EntityId host, HostMachine machine)
    {
        lock (_gate)
        {
            if (!_hosts.TryGetValue(host, out var said))
                return false;
            if (machine.InvalidReason is null && said.TryGetValue(machine.Id, out var known) && known.Machine is { } before && before.LockEpoch > machine.LockEpoch)
                return false;
            said[machine.Id] = new Stamped(machine, ++_stamp);
            return true;
        }
    }

    /// <summary>A host does not have a machine any more.</summary>
    public bool Remove(EntityId host, EntityId machine)
    {
        lock (_gate)
        {
            if (!_hosts.TryGetValue(host, out var said) || !said.ContainsKey(machine))
                return false;
            said[machine] = new Stamped(null, ++_stamp);
            return true;
        }
    }

    /// <summary>A host does not answer any more: its word counts no longer. Answers the machines it had spoken of.</summary>
    public IReadOnlyCollection<EntityId> Drop(EntityId host)
    {
        lock (_gate)
            return _hosts.Remove(host, out var said) ? said.Keys : [];
    }

    /// <summary>True when a host has a machine whose files are on a datastore.</summary>
    public bool HasMachineOn(EntityId host, EntityId datastore)
    {
        lock (_gate)
            return _hosts.TryGetValue(host, out var said) && said.Values.Any(s => s.Machine?.Config.Datastore == datastore);
    }

    public IReadOnlyList<MachineClaim> Of(EntityId machine)
    {
        lock (_gate)
        {
            return
            [
                .. _hosts
                    .Where(h => h.Value.GetValueOrDefault(machine).Machine is not null)
                    .Select(h => new MachineClaim(h.Key, h.Value[machine].Machine!))
                    .OrderBy(c => c.Host),
            ];
        }
    }

    // Null for a machine that was removed: a whole word that is older must not bring it back.
    private readonly record struct Stamped(HostMachine? Machine, long Stamp);
}
