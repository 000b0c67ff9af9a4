using System.Collections.Immutable;
using System.Text.Json;
using Alveare.Kvm.Files;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;

namespace Alveare.Kvm.Machines;

/// <summary>What this host has been told to offer; survives a reboot.</summary>
public sealed record RegistryContent
{
    public ImmutableArray<MountDatastore> Datastores { get; init; } = [];

    public ImmutableArray<PortGroupSpec> PortGroups { get; init; } = [];

    public ImmutableArray<HostPool> Pools { get; init; } = [];
}

/// <summary>A registered <c>.vmx</c>, with the id it had when it was last readable.</summary>
public sealed record RegisteredMachine(EntityId Id, DatastorePath Config);

/// <summary>What this host knows over restarts, in a directory: <see cref="RegistryContent"/> in one file, and one file per machine, so that
/// a machine comes and goes at the cost of itself. Every change is on disk when the call returns, unless it says otherwise.</summary>
public sealed class Registry
{
    private const string Extension = ".json";
    private const string ExpectedExtension = ".expected";

    private readonly Lock sync = new();

    // What is done to one machine's file is done in order; what is done to different ones is flushed together.
    private readonly Lock[] machineSync = [.. Enumerable.Range(0, 16).Select(_ => new Lock())];
    private readonly string file;
    private readonly string directory;
    private readonly Dictionary<EntityId, RegisteredMachine> machines;
    private readonly Dictionary<EntityId, RegisteredMachine> expected;
    private RegistryContent content;

    public Registry(string stateDirectory)
    {
        file = Path.Combine(stateDirectory, "registry.json");
        directory = Directory.CreateDirectory(Path.Combine(stateDirectory, "machines")).FullName;
        content = Read<RegistryContent>(file) ?? new RegistryContent();
        machines = ReadAll(Extension);
        expected = ReadAll(ExpectedExtension);
    }

    public RegistryContent Content
    {
        get
        {
            lock (sync)
                return content;
        }
    }

    public IReadOnlyList<RegisteredMachine> Machines
    {
        get
        {
            lock (sync)
                return [.. machines.Values.OrderBy(m => m.Id)];
        }
    }

    /// <summary>Machines that were on their way here when an earlier agent ended.</summary>
    public IReadOnlyList<RegisteredMachine> Expected
    {
        get
        {
            lock (sync)
                return [.. expected.Values.OrderBy(m => m.Id)];
        }
    }

    public bool Knows(EntityId id) => Find(machines, id) is not null;

    public void Change(Func<RegistryContent, RegistryContent> change)
    {
        lock (sync)
        {
            var changed = change(content);
            WholeFile.Replace(file, changed, flush: true);
            content = changed;
        }
    }

    /// <summary>Adds a machine, or replaces where it is.</summary>
    public void Add(EntityId id, DatastorePath config)
    {
        var machine = new RegisteredMachine(id, config);
        lock (SyncOf(id))
        {
            if (Find(machines, id) == machine)
                return;
            if (Find(expected, id) == machine && File.Exists(PathOfExpected(id)))
            {
                File.Move(PathOfExpected(id), PathOf(id), overwrite: true);
                WholeFile.FlushDirectory(directory);
            }
            else
            {
                WholeFile.Replace(PathOf(id), machine, flush: true);
            }

            lock (sync)
            {
                machines[id] = machine;
                expected.Remove(id);
            }
        }
    }

    /// <summary>Writes down a machine that is to come here and is not this host's yet. All that may fail for want of room is done now:
    /// <see cref="Add"/> gives the file another name.</summary>
    public void Expect(EntityId id, DatastorePath config)
    {
        var machine = new RegisteredMachine(id, config);
        lock (SyncOf(id))
        {
            if (Find(machines, id) == machine)
                return;
            WholeFile.Replace(PathOfExpected(id), machine, flush: true);
            lock (sync)
                expected[id] = machine;
        }
    }

    /// <summary>Forgets a machine that was expected. Where its file cannot be removed the next agent sees to it.</summary>
    public void ExpectNoMore(EntityId id)
    {
        lock (SyncOf(id))
        {
            try
            {
                File.Delete(PathOfExpected(id));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return;
            }

            lock (sync)
                expected.Remove(id);
        }
    }

    /// <param name="survives">Whether it is to stay removed after a loss of power.</param>
    public void Remove(EntityId id, bool survives)
    {
        lock (SyncOf(id))
        {
            if (Find(machines, id) is null)
                return;
            File.Delete(PathOf(id));
            if (survives)
                WholeFile.FlushDirectory(directory);
            lock (sync)
                machines.Remove(id);
        }
    }

    private RegisteredMachine? Find(Dictionary<EntityId, RegisteredMachine> among, EntityId id)
    {
        lock (sync)
            return among.GetValueOrDefault(id);
    }

    private Dictionary<EntityId, RegisteredMachine> ReadAll(string extension) =>
        Directory.EnumerateFiles(directory, $"*{extension}").Select(f => Read<RegisteredMachine>(f)!).ToDictionary(m => m.Id);

    private Lock SyncOf(EntityId id) => machineSync[(uint)id.GetHashCode() % machineSync.Length];

    private string PathOf(EntityId id) => Path.Combine(directory, $"{id}{Extension}");

    private string PathOfExpected(EntityId id) => Path.Combine(directory, $"{id}{ExpectedExtension}");

    private static T? Read<T>(string path)
        where T : class
    {
        try
        {
            return WholeFile.Read<T>(path);
        }
        catch (JsonException e)
        {
            throw new FaultException(new FileCorrupt(path, e.Message), e);
        }
    }
}
