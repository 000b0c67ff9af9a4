using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Statistics;

namespace Alveare.Core.Statistics;

/// <summary>The samples of the last hour per machine and host, beside the inventory so that they do not churn it.</summary>
/// <param name="clock">Says how old a sample is: hosts have clocks of their own, which may be wrong and may jump.</param>
public sealed class StatisticsHistory(TimeProvider clock)
{
    /// <summary>One hour of 20-second samples.</summary>
    public const int Kept = 180;

    /// <summary>Older ones are not told: of a machine that is off none comes in place of them.</summary>
    public static readonly TimeSpan Oldest = TimeSpan.FromHours(1);

    /// <summary>An older sample says nothing of what is asked for now.</summary>
    public static readonly TimeSpan Fresh = TimeSpan.FromMinutes(5);

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
            return _machines.TryGetValue(id, out var ring) ? [.. Recent(ring).Select(s => s.Of(id))] : [];
    }

    /// <summary>Oldest first; empty for a host that never reported.</summary>
    public IReadOnlyList<HostSample> Host(EntityId id)
    {
        lock (_gate)
            return _hosts.TryGetValue(id, out var ring) ? [.. Recent(ring)] : [];
    }

    /// <summary>What a machine used and how long ago that was, newest first, without making records of it: balancing reads every machine's in each of
    /// its rounds.</summary>
    /// <param name="into">Room for <see cref="Kept"/> of them.</param>
    /// <returns>How many there are.</returns>
    public int DemandOfMachine(EntityId id, Span<DemandSample> into)
    {
        lock (_gate)
        {
            if (!_machines.TryGetValue(id, out var ring))
                return 0;
            var now = clock.GetTimestamp();
            for (var back = 0; back < ring.Count; back++)
                into[back] = DemandOf(ring.At(back), now);
            return ring.Count;
        }
    }

    /// <summary>How long ago each of a host's samples came; newest first.</summary>
    public TimeSpan[] AgesOfHost(EntityId id)
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            return _hosts.TryGetValue(id, out var ring) ? [.. ring.NewestFirst().Select(s => clock.GetElapsedTime(s.CameAt, now))] : [];
        }
    }

    /// <summary>The newest sample of every machine that has one of the last hour.</summary>
    public IReadOnlyList<MachineSample> LatestOfMachines()
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            return [.. _machines.Where(m => clock.GetElapsedTime(m.Value.At(0).CameAt, now) <= Oldest).Select(m => m.Value.Last.Of(m.Key))];
        }
    }

    /// <summary>A machine's newest sample; null where it is not <see cref="Fresh"/>, and for one that never reported.</summary>
    public MachineSample? LatestOfMachine(EntityId id)
    {
        lock (_gate)
            return FreshOf(id, clock.GetTimestamp())?.Sample.Of(id);
    }

    /// <summary>What a machine used in its newest sample; null where that is not <see cref="Fresh"/>, and for one that never reported.</summary>
    public DemandSample? LatestDemandOf(EntityId id)
    {
        lock (_gate)
        {
            var now = clock.GetTimestamp();
            return FreshOf(id, now) is { } kept ? DemandOf(kept, now) : null;
        }
    }

    /// <summary>CPU that a machine asks for now: what it used in its newest sample and what it waited for, but no more than its limit, at which it waits whatever
    /// host it is on.</summary>
    /// <remarks>Of a machine that tells nothing any more all CPUs count. One that has never told anything has just come, and asks for nothing yet.</remarks>
    /// <param name="host">In cycles of which it is told.</param>
    /// <returns>In megahertz.</returns>
    public double CpuDemandOf(VirtualMachine vm, Host host)
    {
        var cpus = LatestDemandOf(vm.Id) is { IsUsable: true } demand ? demand.Cpus(vm.Spec?.Cpus ?? 0) : HasReported(vm.Id) ? vm.Spec?.Cpus ?? 0 : 0;
        return Math.Min(cpus * (host.Facts?.CpuClock.Value ?? 0), vm.Spec?.Resources.Cpu.Limit?.Value ?? double.PositiveInfinity);
    }

    /// <summary>Whether a machine has ever reported, however long ago.</summary>
    public bool HasReported(EntityId id)
    {
        lock (_gate)
            return _machines.ContainsKey(id);
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

    private IEnumerable<T> Recent<T>(SampleRing<T> ring)
    {
        var now = clock.GetTimestamp();
        return ring.NewestFirst().TakeWhile(s => clock.GetElapsedTime(s.CameAt, now) <= Oldest).Select(s => s.Sample).Reverse();
    }

    private (PackedMachineSample Sample, long CameAt)? FreshOf(EntityId id, long now) =>
        _machines.TryGetValue(id, out var ring) && ring.At(0) is var newest && clock.GetElapsedTime(newest.CameAt, now) <= Fresh ? newest : null;

    private DemandSample DemandOf((PackedMachineSample Sample, long CameAt) kept, long now) => kept.Sample.Demand(clock.GetElapsedTime(kept.CameAt, now));

    private static void Append<T>(Dictionary<EntityId, SampleRing<T>> all, EntityId id, T sample, long now)
    {
        if (!all.TryGetValue(id, out var ring))
            all[id] = ring = new SampleRing<T>(Kept);
        ring.Add(sample, now);
    }
}

/// <summary>What of a machine's sample balancing reads.</summary>
/// <param name="CpuPercent">Of one CPU.</param>
/// <param name="CpuReadyPercent">Mean of the machine's virtual CPUs.</param>
/// <param name="Age">How long ago the engine got it.</param>
public readonly record struct DemandSample(double CpuPercent, double CpuReadyPercent, Bytes Consumed, Bytes Active, TimeSpan Age)
{
    /// <summary>CPUs that a machine with so many asked for: those that it used, and those that it waited for.</summary>
    public double Cpus(int cpus) => (CpuPercent + (CpuReadyPercent * cpus)) / 100;

    /// <summary>False of what cannot be: it says nothing of the machine.</summary>
    public bool IsUsable =>
        double.IsFinite(CpuPercent) && CpuPercent >= 0
        && double.IsFinite(CpuReadyPercent) && CpuReadyPercent >= 0
        && Consumed.Value >= 0 && Active.Value >= 0;
}
