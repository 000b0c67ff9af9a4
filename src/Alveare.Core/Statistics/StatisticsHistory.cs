using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Statistics;

namespace Alveare.Core.Statistics;

/// <summary>The samples of the last hour per machine and host, beside the inventory so that they do not churn it.</summary>
public sealed class StatisticsHistory
{
    /// <summary>One hour of 20-second samples.</summary>
    public const int Kept = 180;

    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, Ring<MachineSample>> _machines = [];
    private readonly Dictionary<EntityId, Ring<HostSample>> _hosts = [];

    public void Add(StatisticsSampled samples)
    {
        lock (_gate)
        {
            Append(_hosts, samples.Host.Host, samples.Host);
            foreach (var sample in samples.Machines)
                Append(_machines, sample.Machine, sample);
        }
    }

    /// <summary>Oldest first; empty for a machine that never reported.</summary>
    public IReadOnlyList<MachineSample> Machine(EntityId id)
    {
        lock (_gate)
            return _machines.TryGetValue(id, out var ring) ? ring.ToList() : [];
    }

    /// <summary>Oldest first; empty for a host that never reported.</summary>
    public IReadOnlyList<HostSample> Host(EntityId id)
    {
        lock (_gate)
            return _hosts.TryGetValue(id, out var ring) ? ring.ToList() : [];
    }

    /// <summary>The newest sample of every machine.</summary>
    public IReadOnlyList<MachineSample> LatestOfMachines()
    {
        lock (_gate)
            return [.. _machines.Values.Select(r => r.Last)];
    }

    public HostSample? LatestOfHost(EntityId id)
    {
        lock (_gate)
            return _hosts.TryGetValue(id, out var ring) ? ring.Last : null;
    }

    public void Forget(EntityId id)
    {
        lock (_gate)
        {
            _machines.Remove(id);
            _hosts.Remove(id);
        }
    }

    private static void Append<T>(Dictionary<EntityId, Ring<T>> all, EntityId id, T sample)
    {
        if (!all.TryGetValue(id, out var ring))
            all[id] = ring = new Ring<T>();
        ring.Add(sample);
    }

    private sealed class Ring<T>
    {
        private readonly List<T> _items = [];
        private int _next;

        public T Last => _items[(_next + _items.Count - 1) % _items.Count];

        public void Add(T item)
        {
            if (_items.Count < Kept)
            {
                _items.Add(item);
                return;
            }

            _items[_next] = item;
            _next = (_next + 1) % Kept;
        }

        public List<T> ToList() => [.. _items.Skip(_next), .. _items.Take(_next)];
    }
}
