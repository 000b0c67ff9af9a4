namespace Alveare.Core.Store;

/// <summary>Where the engine keeps what must survive it: records of JSON by kind and key.</summary>
/// <remarks>Two real implementations: <see cref="SqliteStore"/>, and the simulation's store in memory that loses what was not committed.</remarks>
public interface IStore : IAsyncDisposable
{
    /// <summary>All records of one kind in key order (ordinal).</summary>
    IReadOnlyList<StoredRecord> Load(string kind);

    /// <summary>Writes all or none. The task ends when the writes are durable; commits become durable in the order of the calls.
    /// Fails with a <c>HostOperationFailed</c> fault when the store cannot write (full disk), having changed nothing.</summary>
    Task CommitAsync(IReadOnlyList<StoreWrite> writes);
}

/// <summary>One record as it was stored.</summary>
public readonly record struct StoredRecord(string Key, string Json);

/// <summary>One write: put <paramref name="Json"/> under the key, or delete the key when it is null.</summary>
public readonly record struct StoreWrite(string Kind, string Key, string? Json);

/// <summary>A write that is to be durable with another change, or not at all.</summary>
/// <param name="Otherwise">What puts it back when that change turns out to be void.</param>
public readonly record struct StoreCompanion(StoreWrite Write, StoreWrite Otherwise);

/// <summary>The kinds of record the engine stores.</summary>
public static class StoreKind
{
    public const string Entity = "entity";
    public const string Task = "task";
    public const string Event = "event";
    public const string User = "user";
    public const string Session = "session";
    public const string Meta = "meta";

    /// <summary>Machines that were destroyed.</summary>
    public const string Destroyed = "destroyed";

    /// <summary>What clusters were asked for, hour by hour.</summary>
    public const string Load = "load";

    /// <summary>What migrations cost, on the site and from host to host.</summary>
    public const string MigrationCost = "migration-cost";

    /// <summary>Machines that balancing leaves alone for a while, or could not move.</summary>
    public const string MoveHistory = "move-history";

    /// <summary>What each cluster's last round recommends.</summary>
    public const string Recommendations = "recommendations";

    /// <summary>For how long each cluster has needed fewer hosts, or more, than are on.</summary>
    public const string PowerPatience = "power-patience";

    /// <summary>Passwords: read by the engine alone.</summary>
    public const string Secret = "secret";
}
