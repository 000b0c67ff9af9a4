using Alveare.Model;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Processes;

/// <summary>Everything physical: storage, wires, the processes that listen on ports, and a watch over what executes.</summary>
public sealed class Plant(World world)
{
    private readonly Dictionary<string, SimulatedQemu> listening = [];
    private readonly List<SimulatedDatastore> datastores = [];
    private int lastPort = 49_151;

    public World World { get; } = world;

    public Network Network { get; } = new(world);

    public PowerGrid Power { get; } = new(world);

    public ExecutionWatch Executions { get; } = new(world);

    public IReadOnlyList<SimulatedDatastore> Datastores => datastores;

    public void Add(SimulatedDatastore datastore)
    {
        datastores.Add(datastore);
        datastore.Locked = (name, record) => Executions.LockMoved(datastore, name, record);
    }

    /// <summary>The datastore at a path, or null when this host has none there.</summary>
    public SimulatedDatastore? At(string path, EntityId host) => datastores.Find(d => d.Path == path && d.IsOn(host));

    /// <summary>Gives a QEMU a port to listen on.</summary>
    public string Listen(SimulatedQemu qemu, string address)
    {
        var uri = $"tcp:{address}:{++lastPort}";
        listening[uri] = qemu;
        return uri;
    }

    public SimulatedQemu? Listening(string uri) => listening.TryGetValue(uri, out var qemu) && !qemu.HasEnded ? qemu : null;
}
