using Alveare.Core.Hosts;
using Alveare.Core.Power;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model;
using Alveare.Planning.Placement;
using Alveare.Simulation.Processes;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;

namespace Alveare.Simulation.Sites;

/// <summary>Hosts, storage and wires in memory, as the connector of an engine:
/// <c>var site = SimulatedSite.Open(TimeProvider.System); site.AddHost("h1"); site.AddDatastore("/ds");</c></summary>
public sealed class SimulatedSite : IHostConnector, IHostPower
{
    public const string User = "root";
    public const string Password = "alveare";

    /// <summary>Of a host of which nothing else is said.</summary>
    public const int CpuThreads = 8;

    private readonly Plant plant;
    private readonly List<SimulatedHost> hosts = [];

    public SimulatedSite(World world) => plant = new Plant(world);

    public World World => plant.World;

    public Network Network => plant.Network;

    /// <summary>What executes where, as no host says it but as it is.</summary>
    public ExecutionWatch Executions => plant.Executions;

    public PowerGrid Power => plant.Power;

    public IReadOnlyList<SimulatedHost> Hosts => hosts;

    public IReadOnlyList<SimulatedDatastore> Datastores => plant.Datastores;

    /// <summary>The name of the center that joins hosts.</summary>
    public string Center { get; set; } = "center";

    /// <summary>A site on real threads in which nothing takes time, for tests of everything that needs hosts.</summary>
    public static SimulatedSite Open(TimeProvider time, int seed = 1) => new(new World(new SerialTurns(), time, new Random(seed)));

    /// <param name="cpuLevel">The x86-64 level that its processor has.</param>
    public SimulatedHost AddHost(string name, Bytes? memory = null, int cpuThreads = CpuThreads, string cpuLevel = CpuBaselines.Default)
    {
        var facts = new HostFacts
        {
            Id = EntityId.Host(World.Ids.NewUuid()),
            HostName = name,
            AgentVersion = "0.1.0",
            QemuVersion = "simulated",
            Accelerator = Accelerator.Kvm,
            CpuThreads = cpuThreads,
            CpuClock = new Megahertz(2400),
            CpuModel = "simulated",
            CpuFeatures = CpuModels.FeaturesOf(cpuLevel),
            Memory = memory ?? Bytes.FromGib(64),
            MigrationAddress = $"198.18.0.{hosts.Count + 11}",
        };
        var host = new SimulatedHost(plant, facts);
        hosts.Add(host);
        return host;
    }

    /// <summary>A directory that all hosts have, or just some.</summary>
    public SimulatedDatastore AddDatastore(string path, Bytes? capacity = null, params SimulatedHost[] on)
    {
        var datastore = new SimulatedDatastore(path, capacity ?? Bytes.FromGib(1024))
        {
            On = on.Length == 0 ? null : [.. on.Select(h => h.Id)],
        };
        plant.Add(datastore);
        return datastore;
    }

    public Task<JoinedHost> JoinAsync(HostInvitation invitation, CancellationToken cancellation)
    {
        var host = hosts.Find(h => h.Address == invitation.Address);
        if (host?.Agent is null || !Network.Reaches(Network.Center, host.Id))
            throw new FaultException(new HostNotConnected(invitation.Address, "nobody answers at this address"));
        if (Plain(invitation.Fingerprint) != host.Fingerprint)
            throw new FaultException(new HostIdentityChanged(host.Name, invitation.Fingerprint, host.Fingerprint));
        if (invitation.User != User || invitation.Password != Password)
            throw new FaultException(new HostJoinRefused(host.Name, "the user name or password is wrong"));
        if (host.Owner is { } owner && owner != Center && !invitation.Force)
            throw new FaultException(new HostOwnedByAnotherCenter(host.Name, owner));
        host.Owner = Center;
        return Task.FromResult(new JoinedHost(host.Id, host.Name, host.Fingerprint));
    }

    public IHost Connect(Model.Inventory.Host host) =>
        (hosts.Find(h => h.Id == host.Id) ?? throw new FaultException(new NotFound("simulated host", host.Name))).LinkFrom(Network.Center);

    public Task ReleaseAsync(Model.Inventory.Host host, CancellationToken cancellation)
    {
        if (hosts.Find(h => h.Id == host.Id) is { } released && Network.Reaches(Network.Center, released.Id))
            released.Owner = null;
        return Task.CompletedTask;
    }

    public Task SendPacketAsync(WakeOnLan card, CancellationToken cancellation)
    {
        plant.Power.Wake(card.Mac);
        return Task.CompletedTask;
    }

    public Task CheckAsync(Redfish controller, string password, CancellationToken cancellation)
    {
        Controlled(controller, password);
        return ControllersShutDown ? Task.CompletedTask : throw new FaultException(new ControllerFailed(controller.Address, "its system can be reset by On, but not by GracefulShutdown"));
    }

    public Task<bool> IsOnAsync(Redfish controller, string password, CancellationToken cancellation) => Task.FromResult(Controlled(controller, password).IsUp);

    public Task PowerOnAsync(Redfish controller, string password, CancellationToken cancellation)
    {
        plant.Power.PowerUp(Controlled(controller, password).Id);
        return Task.CompletedTask;
    }

    public async Task ShutDownAsync(Redfish controller, string password, CancellationToken cancellation)
    {
        await CheckAsync(controller, password, cancellation);
        plant.Power.PowerDown(Controlled(controller, password).Id);
    }

    /// <summary>The address of a host's baseboard controller, whose user is <see cref="User"/>.</summary>
    public static string ControllerOf(SimulatedHost host) => $"https://controller-of-{host.Name}";

    /// <summary>Whether the baseboard controllers can be reached.</summary>
    public bool HasControllers { get; set; } = true;

    /// <summary>Whether the baseboard controllers can ask their systems to shut down.</summary>
    public bool ControllersShutDown { get; set; } = true;

    private SimulatedHost Controlled(Redfish controller, string password)
    {
        var host = hosts.Find(h => HasControllers && ControllerOf(h) == controller.Address)
            ?? throw new FaultException(new ControllerFailed(controller.Address, "nobody answers at this address"));
        return (controller.User, password) == (User, Password)
            ? host
            : throw new FaultException(new ControllerFailed(controller.Address, $"it refuses its user '{controller.User}'"));
    }

    private static string Plain(string fingerprint) => fingerprint.Replace(":", "", StringComparison.Ordinal).ToUpperInvariant();
}
