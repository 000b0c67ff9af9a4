using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Core.Hosts;

/// <summary>One host's word on one machine.</summary>
internal readonly record struct MachineClaim(EntityId Host, HostMachine Machine)
{
    /// <summary>True while the guest executes there, or would but for being paused.</summary>
    public bool Runs => Machine.Power is PowerState.On or PowerState.Paused && !IsAwaited;

    /// <summary>A migration's destination that only waits: it is to come here, and may never do so.</summary>
    public bool IsAwaited => Machine.Migration is { Role: MigrationRole.Destination, Phase: not MigrationPhase.Commit };

    /// <summary>It does not run there as far as is known, and what its files and its lock say has not been read there yet.</summary>
    public bool IsUnread => Machine is { IsUnread: true, Power: PowerState.Unknown };

    /// <summary>It runs there and is not on its way from or to another host.</summary>
    public bool HasStayed => Runs && Machine.Migration is null;

    /// <summary>Nothing of it runs there, and nothing is about to.</summary>
    public bool IsOff => Machine is { Power: PowerState.Off, Migration: null };
}

/// <summary>What the connected hosts say of their machines: the basis on which each machine gets its one place in the inventory.</summary>
/// <remarks>A host speaks on two ways: its watch, which is complete and in order, and the replies to commands, which may overtake it. What a
/// reply said stands until the watch has caught up with it; revisions tell when that is. A removal has no revision, but the watch says it
/// exactly once.</remarks>
internal sealed class MachineClaims
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, SortedDictionary<EntityId, Word>> _hosts = [];

    // The hosts that speak or spoke of each machine.
    private readonly Dictionary<EntityId, SortedSet<EntityId>> _speakers = [];
    private readonly Dictionary<EntityId, long> _since = [];
    private long _stamp;

    /// <summary>A moment: what is taken after it counts as newer than what was asked for at it.</summary>
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

    /// <summary>The watch reports everything; answers the machines that the host speaks or spoke of.</summary>
    public IReadOnlyCollection<EntityId> Watch(EntityId host, IEnumerable<HostMachine> machines)
    {
        lock (_gate)
        {
            var old = _hosts.GetValueOrDefault(host) ?? [];
            if (!_hosts.ContainsKey(host))
                _since[host] = ++_stamp;
            SortedDictionary<EntityId, Word> said = [];
            foreach (var machine in machines)
                said[machine.Id] = new Word(machine, _stamp) { Removed = old.GetValueOrDefault(machine.Id).Removed };
            foreach (var (id, known) in old.Where(o => o.Value.IsAhead))
            {
                var hasCaughtUp = said.TryGetValue(id, out var word)
                    ? known.Machine is { } before && word.Machine!.Revision >= before.Revision
                    : known.Machine is null;
                if (!hasCaughtUp)
                    said[id] = known;
            }

            foreach (var (id, removed) in old.Where(o => o.Value.Machine is null))
                said.TryAdd(id, removed with { IsAhead = false });
            _hosts[host] = said;
            foreach (var silent in old.Keys.Where(m => !said.ContainsKey(m)))
                Unlink(host, silent);
            foreach (var machine in said.Keys)
                Link(host, machine);
            return [.. old.Keys.Union(said.Keys)];
        }
    }

    /// <summary>A reply reports everything, asked for at a moment; answers the machines that the host speaks or spoke of.</summary>
    public IReadOnlyCollection<EntityId> Reply(EntityId host, IReadOnlyCollection<HostMachine> machines, long asOf)
    {
        lock (_gate)
        {
            if (!_hosts.TryGetValue(host, out var said))
                return [];
            foreach (var machine in machines)
            {
                // What was removed since it was asked for stays removed.
                if (!said.TryGetValue(machine.Id, out var removed) || removed.Machine is not null || removed.Stamp <= asOf)
                    Reply(host, machine);
            }

            var there = machines.Select(m => m.Id).ToHashSet();
            foreach (var (gone, _) in said.Where(s => s.Value.Stamp <= asOf && !there.Contains(s.Key)).ToList())
                ReplyRemoved(host, gone, asOf);
            return [.. said.Keys];
        }
    }

    /// <summary>The watch says that a machine changed, which may be old news.</summary>
    public void Watch(EntityId host, HostMachine machine)
    {
        lock (_gate)
        {
            if (!_hosts.TryGetValue(host, out var said))
                return;
            if (said.TryGetValue(machine.Id, out var known) && known.IsAhead && (known.Machine is null || known.Machine.Revision > machine.Revision))
                return;
            said[machine.Id] = new Word(machine, ++_stamp) { Removed = known.Removed };
            Link(host, machine.Id);
        }
    }

    /// <summary>The watch says that a host does not have a machine any more, which may be old news.</summary>
    public void WatchRemoved(EntityId host, EntityId machine)
    {
        lock (_gate)
        {
            if (!_hosts.TryGetValue(host, out var said) || !said.TryGetValue(machine, out var known))
                return;
            // It was registered anew, and the watch is still before that.
            if (known is { IsAhead: true, Machine: not null })
                return;
            // Remembered: a whole word that was asked for before may still be on its way, and must not bring the machine back.
            said[machine] = new Word(null, ++_stamp) { Removed = _stamp, Revision = known.Revision };
        }
    }

    /// <summary>A reply says how a machine is, unless that or newer is known already: a slow one may speak of a machine that has gone since.</summary>
    public void Reply(EntityId host, HostMachine machine)
    {
        lock (_gate)
        {
            if (!_hosts.TryGetValue(host, out var said))
                return;
            if (said.TryGetValue(machine.Id, out var known) && known.Revision >= machine.Revision)
                return;
            said[machine.Id] = new Word(machine, ++_stamp, IsAhead: true) { Removed = known.Removed };
            Link(host, machine.Id);
        }
    }

    /// <summary>A reply to what was asked for at a moment says that a host does not have a machine any more, unless the watch knows it
    /// already: the host may have it again since. What was asked for before the host was lost and came back is left to the watch, which has begun anew.</summary>
    public void ReplyRemoved(EntityId host, EntityId machine, long asOf)
    {
        lock (_gate)
        {
            if (!_hosts.TryGetValue(host, out var said) || !said.TryGetValue(machine, out var known) || known.Machine is null)
                return;
            if (known.Removed > asOf || _since[host] > asOf)
                return;
            said[machine] = new Word(null, ++_stamp, IsAhead: true) { Revision = known.Revision };
        }
    }

    /// <summary>As <see cref="ReplyRemoved"/>, of a machine that has moved away. What moved away ran: one that is off there was registered since, which an
    /// answer that is asked for once more does not know, or could not be forgotten.</summary>
    public void ReplyMovedAway(EntityId host, EntityId machine, long asOf)
    {
        lock (_gate)
        {
            if (!Of(machine).Any(c => c.Host == host && c.IsOff))
                ReplyRemoved(host, machine, asOf);
        }
    }

    /// <summary>A host does not answer any more: its word counts no longer. Answers the machines it had spoken of.</summary>
    public IReadOnlyCollection<EntityId> Drop(EntityId host)
    {
        lock (_gate)
        {
            if (!_hosts.Remove(host, out var said))
                return [];
            foreach (var machine in said.Keys)
                Unlink(host, machine);
            return said.Keys;
        }
    }

    /// <summary>True when a host has a machine whose files are on a datastore.</summary>
    public bool HasMachineOn(EntityId host, EntityId datastore)
    {
        lock (_gate)
            return _hosts.TryGetValue(host, out var said) && said.Values.Any(s => s.Machine?.Config.Datastore == datastore);
    }

    /// <summary>What the connected hosts say of a machine, in the order of the hosts' ids.</summary>
    public IReadOnlyList<MachineClaim> Of(EntityId machine)
    {
        lock (_gate)
        {
            return _speakers.TryGetValue(machine, out var hosts)
                ? [.. hosts.Where(h => _hosts[h][machine].Machine is not null).Select(h => new MachineClaim(h, _hosts[h][machine].Machine!))]
                : [];
        }
    }

    private void Link(EntityId host, EntityId machine)
    {
        if (!_speakers.TryGetValue(machine, out var hosts))
            _speakers[machine] = hosts = [];
        hosts.Add(host);
    }

    private void Unlink(EntityId host, EntityId machine)
    {
        if (_speakers.TryGetValue(machine, out var hosts) && hosts.Remove(host) && hosts.Count == 0)
            _speakers.Remove(machine);
    }

    /// <param name="Machine">Null for one that was removed.</param>
    /// <param name="IsAhead">A reply said it, and the watch has not come to it yet.</param>
    private readonly record struct Word(HostMachine? Machine, long Stamp, bool IsAhead = false)
    {
        /// <summary>When the watch last said that it was removed.</summary>
        public long Removed { get; init; }

        /// <summary>The machine's, or the last that one which was removed had.</summary>
        public long Revision { get; init; } = Machine?.Revision ?? 0;
    }
}
