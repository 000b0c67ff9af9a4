using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Agents;

namespace Alveare.Tests.Core.Hosts;

/// <summary>A host that says what a test tells it to say. It keeps datastores and port groups; other commands are the test's to answer.</summary>
internal sealed class TestHost(int number) : IHost
{
    private readonly Lock _gate = new();
    private readonly List<Subscription> _watchers = [];
    private readonly SortedDictionary<EntityId, HostMachine> _machines = [];
    private List<HostDatastore> _datastores = [];
    private List<PortGroupSpec> _portGroups = [];
    private Fault? _away;
    private long _revision;

    public EntityId Id { get; } = EntityId.Host(new Guid(number, 0, 0, new byte[8]));

    public string Name { get; } = $"h{number}";

    /// <summary>The directories that this host has, with the mark in each; hosts that share storage share it.</summary>
    public Dictionary<string, EntityId?> Directories { get; init; } = [];

    public List<HostCommand> Commands { get; } = [];

    public Func<HostCommand, Task<HostReply>>? Answer { get; set; }

    /// <summary>Replaces the id it gives for itself.</summary>
    public EntityId? ClaimsToBe { get; set; }

    /// <summary>Does what it is told to offer and does not say so yet.</summary>
    public bool IsSilent { get; set; }

    public IReadOnlyList<PortGroupSpec> PortGroups => _portGroups;

    public static HostMachine Machine(int number, PowerState power, long epoch = 1, int datastore = 1)
    {
        var uuid = new Guid(number, 1, 0, new byte[8]);
        var name = $"vm{number}";
        return new HostMachine
        {
            Id = EntityId.Vm(uuid),
            Config = new DatastorePath(EntityId.Datastore(new Guid(datastore, 2, 0, new byte[8])), $"{name}/{name}.vmx"),
            Spec = new MachineSpec { Uuid = uuid, Name = name, Cpus = 1, Memory = Bytes.FromMib(64) },
            Power = power,
            LockEpoch = epoch,
        };
    }

    /// <summary>Has a machine, or another state of it, and says so.</summary>
    public void Put(HostMachine machine)
    {
        Say(new MachineChanged(Have(machine)));
    }

    /// <summary>Has a machine, or another state of it, and does not say so yet.</summary>
    public HostMachine Have(HostMachine machine)
    {
        lock (_gate)
            return _machines[machine.Id] = machine with { Revision = ++_revision };
    }

    /// <summary>Has a machine no more; says so only when it is there.</summary>
    public void Lose(EntityId machine)
    {
        Forget(machine);
        Say(new MachineRemoved(machine));
    }

    /// <summary>Has a machine no more, and does not say so yet.</summary>
    public void Forget(EntityId machine)
    {
        lock (_gate)
            _machines.Remove(machine);
    }

    /// <summary>Says everything, also what it has been silent of.</summary>
    public void Speak()
    {
        IsSilent = false;
        Say(new HostObserved(Snapshot()));
    }

    public void Say(HostChange change)
    {
        lock (_gate)
        {
            foreach (var watcher in _watchers)
                watcher.Put(change);
        }
    }

    public void GoAway(string why = "the cable is out") => GoAway(new HostNotConnected(Name, why));

    public void GoAway(Fault why)
    {
        lock (_gate)
        {
            _away = why;
            foreach (var watcher in _watchers)
                watcher.End(_away);
            _watchers.Clear();
        }
    }

    public void ComeBack()
    {
        lock (_gate)
            _away = null;
    }

    public Task<HostSnapshot> ObserveAsync(CancellationToken cancellation)
    {
        lock (_gate)
            return Task.FromResult(_away is null ? Snapshot() : throw new FaultException(_away));
    }

    public IAsyncEnumerable<HostChange> WatchAsync(CancellationToken cancellation)
    {
        lock (_gate)
        {
            var watcher = new Subscription();
            watcher.Put(new HostObserved(Snapshot()));
            if (_away is null)
                _watchers.Add(watcher);
            else
                watcher.End(_away);
            return watcher.ReadAsync(cancellation);
        }
    }

    public Task<HostReply> ExecuteAsync(HostCommand command, IProgress<HostProgress>? progress, CancellationToken cancellation)
    {
        lock (_gate)
        {
            if (_away is not null)
                throw new FaultException(_away);
            Commands.Add(command);
        }

        switch (command)
        {
            case MountDatastore mount:
                Mount(mount);
                return Ok();
            case UnmountDatastore unmount:
                Offer(() => _datastores = [.. _datastores.Where(d => d.Id != unmount.Datastore)]);
                return Ok();
            case ApplyPortGroups apply:
                _portGroups = [.. apply.PortGroups];
                SayOffered(new HostObserved(Snapshot()));
                return Ok();
            default:
                return Answer?.Invoke(command) ?? throw new FaultException(new Unsupported(Name, command.GetType().Name));
        }
    }

    public Task<Stream> OpenAsync(HostChannel channel, CancellationToken cancellation) => Task.FromResult(Stream.Null);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static Task<HostReply> Ok() => Task.FromResult<HostReply>(Done.Instance);

    private void Mount(MountDatastore mount)
    {
        if (!Directories.TryGetValue(mount.Path, out var mark))
            throw new FaultException(new DatastoreNotAccessible(mount.Name, Name, "the directory does not exist"));
        if (mark is null && !mount.Mark)
            throw new FaultException(new DatastoreNotAccessible(mount.Name, Name, "the directory is not marked"));
        if (mark is { } other && other != mount.Datastore)
            throw new FaultException(new DatastoreIsAnother(mount.Name, Name, mount.Path, other));
        Directories[mount.Path] = mount.Datastore;
        var offered = new HostDatastore { Id = mount.Datastore, Name = mount.Name, Path = mount.Path, Capacity = Bytes.FromGib(9), Free = Bytes.FromGib(5) };
        Offer(() => _datastores = [.. _datastores.Where(d => d.Id != mount.Datastore), offered]);
    }

    private void Offer(Action change)
    {
        lock (_gate)
            change();
        SayOffered(new DatastoresChanged([.. _datastores]));
    }

    private void SayOffered(HostChange change)
    {
        if (!IsSilent)
            Say(change);
    }

    private HostSnapshot Snapshot()
    {
        lock (_gate)
        {
            var facts = new HostFacts
            {
                Id = ClaimsToBe ?? Id,
                HostName = Name,
                AgentVersion = "1",
                QemuVersion = "7.2",
                Accelerator = Accelerator.Emulation,
                CpuThreads = 2,
                CpuClock = new Megahertz(2000),
                CpuModel = "test",
                Memory = Bytes.FromGib(8),
                MigrationAddress = "198.18.0.1",
            };
            return new HostSnapshot(facts, [.. _machines.Values], [.. _datastores], [.. _portGroups]);
        }
    }
}
