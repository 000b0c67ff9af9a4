using System.Collections.Frozen;
using Alveare.Model;

namespace Alveare.Planning.Sharing;

/// <summary>A resource pool as admission sees it, for one resource. The cluster is the pool at the root: what its hosts have is its reservation.</summary>
/// <param name="Parent">The pool above; null for the root, and for one that is out of the tree while it is moved.</param>
/// <param name="IsExpandable">What it lacks for the promises in it, it asks of the pool above.</param>
public sealed record PoolAccount(EntityId Pool, EntityId? Parent, long Reservation, long? Limit, bool IsExpandable);

/// <summary>What a running machine is promised, out of the pool it is in.</summary>
public readonly record struct PoolPromise(EntityId Machine, EntityId Pool, long Amount);

/// <summary>Why a pool cannot give what is asked of it.</summary>
/// <param name="Free">What it has left, within its reservation or, where it could ask for more, within its limit.</param>
public readonly record struct PoolShortage(EntityId Pool, long Asked, long Free, bool IsExpandable);

/// <summary>Who has promised how much of one resource (megahertz or bytes) to whom, in a tree of resource pools: the check of admission.</summary>
/// <remarks>A reservation, of a machine that runs or of a pool in it, comes out of what its pool has unreserved. What lacks is asked of the pool above if
/// the pool is expandable, up to the root. So a pool claims of the one above its own reservation, or what is promised in it if that is more.</remarks>
public sealed class PoolLedger
{
    private readonly FrozenDictionary<EntityId, PoolAccount> pools;
    private readonly Dictionary<EntityId, long> promised = [];

    /// <param name="accounts">Each one's parent among them.</param>
    /// <param name="promises">Of machines that are in one of the pools.</param>
    public PoolLedger(IEnumerable<PoolAccount> accounts, IEnumerable<PoolPromise> promises)
    {
        pools = accounts.ToFrozenDictionary(a => a.Pool);
        foreach (var promise in promises)
            promised[promise.Pool] = promised.GetValueOrDefault(promise.Pool) + promise.Amount;
        var children = pools.Values.Where(p => p.Parent is not null).ToLookup(p => p.Parent!.Value);
        foreach (var top in pools.Values.Where(p => p.Parent is null))
            Sum(top);

        long Sum(PoolAccount pool) =>
            promised[pool.Pool] = promised.GetValueOrDefault(pool.Pool) + children[pool.Pool].Sum(child => Math.Max(child.Reservation, Sum(child)));
    }

    /// <summary>What is promised out of a pool: to its machines and to the pools in it.</summary>
    public long PromisedIn(EntityId pool) => promised[pool];

    /// <summary>What a pool claims of the one above.</summary>
    public long ClaimOf(EntityId pool) => Math.Max(pools[pool].Reservation, promised[pool]);

    /// <summary>Why so much more cannot be promised out of a pool, or null. Asking for nothing is never refused, even where too much is promised already.</summary>
    public PoolShortage? WhyNot(EntityId pool, long asked)
    {
        var (account, given) = (pools[pool], promised[pool]);
        if (asked <= 0)
            return null;
        if (account.Limit is { } limit && asked > limit - given)
            return new PoolShortage(pool, asked, Math.Max(0, limit - given), account.IsExpandable);
        var free = Math.Max(0, account.Reservation - given);
        if (asked <= free)
            return null;
        return account is { IsExpandable: true, Parent: { } above } ? WhyNot(above, asked - free) : new PoolShortage(pool, asked, free, account.IsExpandable);
    }
}
