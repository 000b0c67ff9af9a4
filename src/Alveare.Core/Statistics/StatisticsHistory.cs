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
    private readonly Dictionary<EntityId, SampleRing<PackedMachineSample>> _machines = [];
    private readonly Dictionary<EntityId, SampleRing<HostSample>> _hosts = [];

    public void Add(StatisticsSampled samples)
    {
        var now = clock.GetTimestamp();
        lock (_gate)
        {
            Append(_hosts, samples.Host.Host, samples.Host, now);
            foreach (var sample in samples.Machines)
                Append(_machines, sample.Machine, new PackedMachineSample(sample), now);
        }
    }

    /// <summary>Oldest first; empty for a machine that never reported.</summary>
    public IReadOnlyList<MachineSample> Machine(EntityId id)
    {
        lock (_gate)
            return _machines.TryGetValue(id, out var ring) ? [.. ring.NewestFirst().Reverse().Select(s => s.Sample.Of(id))] : [];
    }

    /// <summary>Oldest first; empty for a host that never reported.</summary>
    public IReadOnlyList<HostSample> Host(EntityId id)
    {
        lock (_gate)
            return _hosts.TryGetValue(id, out var ring) ? [.. ring.NewestFirst().Reverse().Select(s => s.Sample)] : [];
    }

    /// <summary>A machine's samples and how long ago each came; newest first.</summary>
    public IReadOnlyList<AgedSample<MachineSample>> AgedOfMachine(EntityId id)
    {
        lock (_gate)
            return _machines.TryGetValue(id, out var ring) ? Aged(ring, s => s.Of(id)) : [];
    }

    /// <summary>A host's samples and how long ago each came; newest first.</summary>
    public IReadOnlyList<AgedSample<HostSample>> AgedOfHost(EntityId id)
    {
        lock (_gate)
            return _hosts.TryGetValue(id, out var ring) ? Aged(ring, s => s) : [];
    }

    /// <summary>The newest sample of every machine.</summary>
    public IReadOnlyList<MachineSample> LatestOfMachines()
    {
        lock (_gate)
            return [.. _machines.Select(m => m.Value.Last.Of(m.Key))];
    }

    public MachineSample? LatestOfMachine(EntityId id)
    {
        lock (_gate)
            return _machines.TryGetValue(id, out var ring) ? ring.Last.Of(id) : null;
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

    private static void Append<T>(Dictionary<EntityId, SampleRing<T>> all, EntityId id, T sample, long now)
    {
        if (!all.TryGetValue(id, out var ring))
            all[id] = ring = new SampleRing<T>(Kept);
        ring.Add(sample, now);
    }

    private List<AgedSample<TSample>> Aged<T, TSample>(SampleRing<T> ring, Func<T, TSample> unpack)
    {
        var now = clock.GetTimestamp();
        return [.. ring.NewestFirst().Select(s => new AgedSample<TSample>(unpack(s.Sample), clock.GetElapsedTime(s.CameAt, now)))];
    }
}

/// <summary>A sample and how long ago the engine got it.</summary>
public readonly record struct AgedSample<T>(T Sample, TimeSpan Age);
