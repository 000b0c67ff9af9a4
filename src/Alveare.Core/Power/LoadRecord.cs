using System.Collections.Immutable;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Planning.Power;

namespace Alveare.Core.Power;

/// <summary>What the machines of each cluster asked for, hour by hour for four weeks; it survives the engine.</summary>
internal sealed class LoadRecord(IStore store, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, ImmutableArray<HourLoad>> _past = [];
    private readonly Dictionary<EntityId, Running> _running = [];

    /// <summary>Reads what is stored. Call once.</summary>
    public void Load()
    {
        foreach (var stored in store.Load(StoreKind.Load))
            _past[EntityId.Parse(stored.Key)] = ModelJson.Read<StoredLoad>(stored.Json).Hours();
    }

    /// <summary>The hours of a cluster that are over, the one that was noted last at the end.</summary>
    public ImmutableArray<HourLoad> Of(EntityId cluster)
    {
        lock (_gate)
            return _past.GetValueOrDefault(cluster, []);
    }

    /// <summary>Notes what is asked for now. The first note of an hour stores the mean of the one before.</summary>
    public async Task NoteAsync(EntityId cluster, double cpuMhz, double memMb)
    {
        StoreWrite? write = null;
        lock (_gate)
        {
            var hour = LoadForecast.HourOf(clock.GetUtcNow());
            var running = _running.GetValueOrDefault(cluster);
            if (running.Count > 0 && running.Hour != hour)
            {
                var past = LoadForecast.With(_past.GetValueOrDefault(cluster, []), new(running.Hour, running.Cpu / running.Count, running.Mem / running.Count));
                _past[cluster] = past;
                write = new StoreWrite(StoreKind.Load, cluster.ToString(), ModelJson.Write(StoredLoad.Of(past)));
                running = default;
            }

            _running[cluster] = new(hour, running.Count + 1, running.Cpu + cpuMhz, running.Mem + memMb);
        }

        if (write is { } due)
            await store.CommitAsync([due]);
    }

    /// <summary>A cluster that is gone has no past.</summary>
    public async Task ForgetAsync(EntityId cluster)
    {
        lock (_gate)
        {
            _past.Remove(cluster);
            _running.Remove(cluster);
        }

        await store.CommitAsync([new StoreWrite(StoreKind.Load, cluster.ToString(), null)]);
    }

    private readonly record struct Running(long Hour, int Count, double Cpu, double Mem);

    /// <summary>Four weeks in some ten kilobytes.</summary>
    private sealed record StoredLoad(ImmutableArray<long> Hour, ImmutableArray<long> Mhz, ImmutableArray<long> Mb)
    {
        public static StoredLoad Of(ImmutableArray<HourLoad> past) =>
            new([.. past.Select(p => p.Hour)], [.. past.Select(p => (long)p.CpuMhz)], [.. past.Select(p => (long)p.MemMb)]);

        public ImmutableArray<HourLoad> Hours() => [.. Hour.Select((hour, n) => new HourLoad(hour, Mhz[n], Mb[n]))];
    }
}
