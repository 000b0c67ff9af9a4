using System.Collections.Concurrent;
using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;

namespace Alveare.Kvm.Files;

/// <summary>The datastores this host offers: where they are, whether they are there, and how full.</summary>
/// <param name="publish">Told all of them whenever one has changed in a way worth telling.</param>
public sealed class DatastoreTable(string hostName, TimeProvider time, Action<ImmutableArray<HostDatastore>> publish)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    /// <summary>How long a datastore may take to answer: a network file system whose server is away blocks for ever.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Lock sync = new();
    private readonly ConcurrentDictionary<EntityId, DatastoreRoot> roots = new();
    private readonly Dictionary<EntityId, Task<HostDatastore>> probes = [];
    private ImmutableSortedDictionary<EntityId, HostDatastore> told = ImmutableSortedDictionary<EntityId, HostDatastore>.Empty;

    /// <summary>Called with a datastore that can be used, after it could not or was not known to be usable. It is waited for, for a while: the
    /// datastore may hang again.</summary>
    public Func<EntityId, Task>? Returned { get; set; }

    /// <summary>Offers a datastore; a fault when its directory is not there or another datastore's.</summary>
    public async Task MountAsync(MountDatastore mount)
    {
        var root = new DatastoreRoot(mount, hostName);
        var known = roots.TryGetValue(mount.Datastore, out var before) && before.Directory == mount.Path;
        try
        {
            await DatastoreThreads.Alone(() => root.Claim(mayMark: mount.Mark && !known)).WaitAsync(Patience, time);
        }
        catch (TimeoutException e)
        {
            throw new FaultException(new DatastoreNotAccessible(mount.Name, hostName, Silence(root)), e);
        }

        roots[mount.Datastore] = root;
        await TellAsync(root);
    }

    /// <summary>Offers the datastores of before a restart, whether they are there or not.</summary>
    public void Restore(IEnumerable<MountDatastore> mounts)
    {
        foreach (var mount in mounts)
            roots[mount.Datastore] = new DatastoreRoot(mount, hostName);
    }

    public void Unmount(EntityId datastore)
    {
        roots.TryRemove(datastore, out _);
        lock (sync)
        {
            told = told.Remove(datastore);
            publish([.. told.Values]);
        }
    }

    public bool Knows(EntityId datastore) => roots.ContainsKey(datastore);

    public DatastoreRoot Find(EntityId datastore) =>
        roots.GetValueOrDefault(datastore)
        ?? throw new FaultException(new DatastoreNotAccessible(datastore.ToString(), hostName, "it is not mounted"));

    /// <summary>The name of the datastore that a path on this host is in; the path's directory when it is in none.</summary>
    public string NameAt(string path) =>
        roots.Values.FirstOrDefault(root => path.StartsWith($"{root.Directory}/", StringComparison.Ordinal))?.Name ?? Path.GetDirectoryName(path) ?? path;

    /// <summary>The datastore that the path in an error's text is in, or null.</summary>
    public string? NameIn(string text) =>
        roots.Values.Where(root => text.Contains($"'{root.Directory}/", StringComparison.Ordinal)).MaxBy(root => root.Directory.Length)?.Name;

    /// <summary>Looks after all of them once; bounded in time.</summary>
    public Task TellAllAsync() => Task.WhenAll(roots.Values.Select(TellAsync));

    /// <summary>Looks after the datastores until the host stops.</summary>
    public async Task WatchAsync(CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                await Task.Delay(Interval, time, stopping);
                await TellAllAsync();
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The host stops.
        }
    }

    private async Task TellAsync(DatastoreRoot root)
    {
        var now = await ProbeAsync(root);
        bool returned;
        lock (sync)
        {
            if (roots.GetValueOrDefault(root.Id) != root)
                return;
            var before = told.GetValueOrDefault(root.Id);
            if (before is not null && !IsNews(before, now))
                return;
            told = told.SetItem(root.Id, now);
            publish([.. told.Values]);
            returned = before is not { Problem: null } && now.Problem is null;
        }

        if (returned && Returned is { } seeTo)
            await Task.WhenAny(seeTo(root.Id), Task.Delay(Patience, time));
    }

    /// <summary>Free space moves all the time; less than a hundredth of the whole is not worth a new version of the inventory.</summary>
    private static bool IsNews(HostDatastore before, HostDatastore now) =>
        before with { Free = now.Free } != now || Math.Abs(before.Free.Value - now.Free.Value) > now.Capacity.Value / 100;

    private async Task<HostDatastore> ProbeAsync(DatastoreRoot root)
    {
        Task<HostDatastore> probe;
        lock (sync)
        {
            // A probe that hangs is waited for again, not doubled.
            if (!probes.TryGetValue(root.Id, out probe!) || probe.IsCompleted)
                probes[root.Id] = probe = DatastoreThreads.Alone(() => Look(root));
        }

        try
        {
            return await probe.WaitAsync(Patience, time);
        }
        catch (TimeoutException)
        {
            return Describe(root) with { Problem = Silence(root) };
        }
    }

    private static HostDatastore Look(DatastoreRoot root)
    {
        if (root.FindProblem() is { } problem)
            return Describe(root) with { Problem = problem };
        try
        {
            var volume = new DriveInfo(root.Directory);
            return Describe(root) with { Capacity = new Bytes(volume.TotalSize), Free = new Bytes(volume.AvailableFreeSpace) };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Describe(root) with { Problem = e.Message };
        }
    }

    private static string Silence(DatastoreRoot root) => $"'{root.Directory}' has not answered for {Patience.TotalSeconds} s";

    private static HostDatastore Describe(DatastoreRoot root) => new() { Id = root.Id, Name = root.Name, Path = root.Directory };
}
