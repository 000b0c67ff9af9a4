using System.Collections.Immutable;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Agents;

/// <summary>What an agent stands on: its host's disk, the datastores, and the locks in them.</summary>
internal sealed class Ground(Plant plant, HostFacts facts, HostDisk disk)
{
    public Plant Plant { get; } = plant;

    public World World => Plant.World;

    public HostFacts Facts { get; } = facts;

    public HostDisk Disk { get; } = disk;

    public EntityId Host => Facts.Id;

    public ImmutableArray<HostDatastore> Offered =>
    [
        .. Disk.Datastores.Values.Select(m => (Mount: m, Store: Plant.At(m.Path, Host))).Select(x => new HostDatastore
        {
            Id = x.Mount.Datastore,
            Name = x.Mount.Name,
            Path = x.Mount.Path,
            Capacity = x.Store?.Capacity ?? default,
            Free = x.Store?.Free ?? default,
            Problem = x.Store is null ? "the directory does not exist" : x.Store.LostBy.Contains(Host) ? "it does not answer" : null,
        }),
    ];

    /// <summary>A mounted datastore that answers; else a fault.</summary>
    public SimulatedDatastore Store(EntityId id)
    {
        if (!Disk.Datastores.TryGetValue(id, out var mount))
            throw new FaultException(new DatastoreNotAccessible(id.ToString(), Facts.HostName, "it is not mounted"));
        if (Plant.At(mount.Path, Host) is not { } store)
            throw new FaultException(new DatastoreNotAccessible(mount.Name, Facts.HostName, "its directory does not exist"));
        if (store.LostBy.Contains(Host))
            throw new FaultException(new DatastoreNotAccessible(mount.Name, Facts.HostName, "it does not answer"));
        return store;
    }

    public SimulatedDatastore Store(DatastorePath path)
    {
        if (DatastorePath.WhyIllegal(path.Path) is { } reason)
            throw new FaultException(new InvalidPath(path.Path, reason));
        return Store(path.Datastore);
    }

    public MachineSpec ReadSpec(DatastorePath config) => Store(config).Find(config.Path) switch
    {
        ConfigFile { Spec: { } spec } => spec,
        ConfigFile invalid => throw new FaultException(new InvalidMachine(config.Path, invalid.InvalidReason ?? "it is empty")),
        null => throw new FaultException(new FileNotFoundFault(config.Path)),
        _ => throw new FaultException(new InvalidMachine(config.Path, "it is not a configuration")),
    };

    public LockRecord ReadLock(DatastorePath config) => Store(config).ReadLock(SimulatedQemu.LockNameOf(config));

    /// <summary>The machine's files exist: nobody has destroyed it.</summary>
    public bool IsThere(DatastorePath config) => Store(config).Find(config.Path) is not null;

    /// <summary>Publishes an epoch with this host (or nobody) as the owner; false when somebody was faster, or has destroyed the machine.</summary>
    public bool TryPublish(DatastorePath config, long epoch, bool owned) => IsThere(config) && Store(config).TryPublish(
        SimulatedQemu.LockNameOf(config), owned ? Taking(epoch) : new LockRecord(epoch, null, null));

    /// <summary>Writes the taking of an epoch by this host beforehand, so that <see cref="TryPublish"/> needs no room for it.</summary>
    public void Prepare(DatastorePath config, long epoch)
    {
        if (World.Defect != Defect.TakingIsNotPrepared)
            Store(config).Prepare(SimulatedQemu.LockNameOf(config), Taking(epoch));
    }

    /// <summary>Takes the lock for a start; answers the epoch. A lock of this host with no process behind it is a leftover: taken over.</summary>
    public long Take(DatastorePath config, string machine, long minEpoch)
    {
        var now = ReadLock(config);
        if (now.Epoch < minEpoch)
            throw new FaultException(new StaleEpoch(machine, minEpoch, now.Epoch));
        if (now.Owner is { } owner && owner != Host && World.Defect != Defect.StartSkipsLock)
            throw new FaultException(new MachineLocked(machine, now.OwnerName ?? owner.ToString(), now.Epoch));
        // Nobody is faster between the reading and the taking, because nothing is waited for here: it can only be that the machine has no files any more.
        return TryPublish(config, now.Epoch + 1, owned: true) ? now.Epoch + 1 : throw new FaultException(new FileNotFoundFault(config.Path));
    }

    /// <summary>Gives a lock up that is held at an epoch; waits for a datastore that does not answer.</summary>
    public async Task ReleaseAsync(DatastorePath config, long epoch)
    {
        if (World.Defect != Defect.LockIsNotReleased)
            await InsistAsync(() => TryPublish(config, epoch + 1, owned: false));
    }

    /// <summary>Does something with a datastore that must be done, however long the datastore is away or full.</summary>
    /// <param name="refused">Told of each time that it could not be done.</param>
    public async Task<T> InsistAsync<T>(Func<T> action, Action<Fault>? refused = null)
    {
        while (true)
        {
            try
            {
                return action();
            }
            catch (FaultException e) when (e.Fault is DatastoreNotAccessible or DatastoreFull)
            {
                refused?.Invoke(e.Fault);
                await Task.Delay(TimeSpan.FromSeconds(1), World.Time);
            }
        }
    }

    private LockRecord Taking(long epoch) => new(epoch, Host, Facts.HostName);
}
