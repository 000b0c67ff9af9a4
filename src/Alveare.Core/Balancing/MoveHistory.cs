using Alveare.Core.Store;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Inventory;

namespace Alveare.Core.Balancing;

/// <summary>What balancing remembers of machines: when each came to its host, and how often moving it failed. Times are of the monotonic clock, so
/// a clock that is set changes nothing; only what an earlier run of the engine has stored is as old as the clock says.</summary>
internal sealed class MoveHistory(IStore store, TimeProvider clock)
{
    /// <summary>A machine that came to its host stays there so long, whoever moved it.</summary>
    public static readonly TimeSpan LeastStay = TimeSpan.FromMinutes(5);

    /// <summary>After so many failures in a row a machine is left alone for a time that doubles with each further one.</summary>
    public const int FailuresToBackOff = 3;

    public static readonly TimeSpan FirstBackOff = TimeSpan.FromMinutes(10);
    public static readonly TimeSpan LongestBackOff = TimeSpan.FromHours(6);

    private readonly Lock _gate = new();
    private readonly Dictionary<EntityId, (EntityId Host, long? CameAt)> _places = [];
    private readonly Dictionary<EntityId, (int Count, long LastAt)> _failures = [];

    /// <summary>Reads what is stored. Call once.</summary>
    public void Load()
    {
        foreach (var stored in store.Load(StoreKind.MoveHistory))
        {
            var (vm, past) = (EntityId.Parse(stored.Key), ModelJson.Read<StoredPast>(stored.Json));
            if (past is { Host: { } host, CameAt: { } came })
                _places[vm] = (host, Timestamp(came));
            if (past.FailedAt is { } failed)
                _failures[vm] = (past.Failures, Timestamp(failed));
        }
    }

    /// <summary>Takes in where all machines are now.</summary>
    public void See(IReadOnlyCollection<VirtualMachine> machines)
    {
        lock (_gate)
        {
            foreach (var vm in machines)
            {
                if (vm.Host is not { } host)
                    continue;
                // Where a machine is at the first look it may have been for long.
                if (!_places.TryGetValue(vm.Id, out var known))
                    _places[vm.Id] = (host, null);
                else if (known.Host != host)
                    Came(vm.Id, host);
            }

            if (_places.Count > machines.Count)
                ForgetAllBut([.. machines.Select(vm => vm.Id)]);
        }
    }

    public void Moved(EntityId vm, EntityId to)
    {
        lock (_gate)
        {
            _failures.Remove(vm);
            Came(vm, to);
        }
    }

    /// <summary>Takes in a failure; answers for how long the machine is left alone when that begins now, else null.</summary>
    public TimeSpan? Failed(EntityId vm)
    {
        int count;
        lock (_gate)
        {
            count = _failures.GetValueOrDefault(vm).Count + 1;
            _failures[vm] = (count, clock.GetTimestamp());
            Keep(vm);
        }

        return count < FailuresToBackOff ? null : BackOffAfter(count);
    }

    /// <summary>Why the machine is left alone now, or null.</summary>
    public string? WhyResting(EntityId vm)
    {
        lock (_gate)
        {
            if (_places.TryGetValue(vm, out var place) && place.CameAt is { } came && clock.GetElapsedTime(came) < LeastStay)
                return "it was moved lately";
            return _failures.TryGetValue(vm, out var failed) && failed.Count >= FailuresToBackOff && clock.GetElapsedTime(failed.LastAt) < BackOffAfter(failed.Count)
                ? $"moving it failed {failed.Count} times"
                : null;
        }
    }

    private void Came(EntityId vm, EntityId host)
    {
        _places[vm] = (host, clock.GetTimestamp());
        Keep(vm);
    }

    private void Keep(EntityId vm)
    {
        var (place, failed) = (_places.GetValueOrDefault(vm), _failures.GetValueOrDefault(vm));
        var past = new StoredPast(
            place.CameAt is null ? null : place.Host, place.CameAt is { } came ? WallClock(came) : null, failed.Count, failed.Count > 0 ? WallClock(failed.LastAt) : null);
        store.CommitUnwatched([new StoreWrite(StoreKind.MoveHistory, vm.ToString(), ModelJson.Write(past))]);
    }

    private DateTimeOffset WallClock(long timestamp) => clock.GetUtcNow() - clock.GetElapsedTime(timestamp);

    // After the longest of all rests it does not matter any more how long ago something was.
    private long Timestamp(DateTimeOffset moment) => clock.TimestampOf(moment, LongestBackOff);

    private static TimeSpan BackOffAfter(int failures)
    {
        var doubled = FirstBackOff * Math.Pow(2, Math.Min(failures - FailuresToBackOff, 10));
        return doubled < LongestBackOff ? doubled : LongestBackOff;
    }

    private void ForgetAllBut(HashSet<EntityId> machines)
    {
        foreach (var id in _places.Keys.Where(id => !machines.Contains(id)).ToList())
        {
            _places.Remove(id);
            _failures.Remove(id);
            store.CommitUnwatched([new StoreWrite(StoreKind.MoveHistory, id.ToString(), null)]);
        }
    }

    /// <param name="Host">Where it came to, or null when that was before anybody looked.</param>
    private sealed record StoredPast(EntityId? Host, DateTimeOffset? CameAt, int Failures, DateTimeOffset? FailedAt);
}
