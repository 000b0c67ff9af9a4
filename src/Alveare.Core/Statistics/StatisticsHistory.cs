using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Statistics;

namespace Alveare.Core.Statistics;

/// <summary>The samples of the last hour per machine and host, beside the inventory so that they do not churn it.</summary>
/// <param name="clock">Says how old a sample is: hosts have clocks of their own, which may be wrong and may jump.</param>
public sealed class StatisticsHistory(TimeProvider clock)
{
    /// <summary>One hour of 20-second samples.</summary>
    public const int Kept = 180;

    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, Ring<MachineSample>> _machines = [];
    private readonly Dictionary<EntityId, Ring<HostSample>> _hosts = [];

    public void Add(StatisticsSampled samples)
    {
        var now = clock.GetTimestamp();
        lock (_gate)
        {
            Append(_hosts, samples.Host.Host, samples.Host, now);
            foreach (var sample in samples.Machines)
                Append(_machines, sample.Machine, sample, now);
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

    /// <summary>A machine's samples and how long ago each came; newest first.</summary>
    public IReadOnlyList<AgedSample<MachineSample>> AgedOfMachine(EntityId id)
    {
        lock (_gate)
            return _machines.TryGetValue(id, out var ring) ? Aged(ring) : [];
    }

    /// <summary>A host's samples and how long ago each came; newest first.</summary>
    public IReadOnlyList<AgedSample<HostSample>> AgedOfHost(EntityId id)
    {
        lock (_gate)
            return _hosts.TryGetValue(id, out var ring) ? Aged(ring) : [];
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

    private static void Append<T>(Dictionary<EntityId, Ring<T>> all, EntityId id, T sample, long now)
    {
        if (!all.TryGetValue(id, out var ring))
            all[id] = ring = new Ring<T>();
        ring.Add(sample, now);
    }

    private List<AgedSample<T>> Aged<T>(Ring<T> ring)
    {
        var now = clock.GetTimestamp();
        return [.. ring.NewestFirst().Select(s => new AgedSample<T>(s.Sample, clock.GetElapsedTime(s.CameAt, now)))];
    }

    private sealed class Ring<T>
    {
        private readonly List<(T Sample, long CameAt)> _items = [];
        private int _next;

        public T Last => At(0).Sample;

        public void Add(T item, long cameAt)
        {
            if (_items.Count < Kept)
            {
                _items.Add((item, cameAt));
                return;
            }

            _items[_next] = (item, cameAt);
            _next = (_next + 1) % Kept;
        }

        public List<T> ToList() => [.. NewestFirst().Select(i => i.Sample).Reverse()];

        public IEnumerable<(T Sample, long CameAt)> NewestFirst() => Enumerable.Range(0, _items.Count).Select(At);

        private (T Sample, long CameAt) At(int back) => _items[(_next + (2 * _items.Count) - 1 - back) % _items.Count];
    }
}

/// <summary>A sample and how long ago the engine got it.</summary>
public readonly record struct AgedSample<T>(T Sample, TimeSpan Age);
