using Alveare.Core.Balancing;
using Alveare.Core.Changes;
using Alveare.Core.Consoles;
using Alveare.Core.Events;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Machines;
using Alveare.Core.Maintenance;
using Alveare.Core.Migration;
using Alveare.Core.Placement;
using Alveare.Core.Pools;
using Alveare.Core.Power;
using Alveare.Core.Rules;
using Alveare.Core.Security;
using Alveare.Core.Site;
using Alveare.Core.Statistics;
using Alveare.Core.Store;
using Alveare.Core.Tasks;
using Alveare.Model;
using Alveare.Model.Inventory;
using Microsoft.Extensions.Logging;

namespace Alveare.Core;

/// <summary>The engine of one site, whole: everything in it over one store and one way to reach hosts.</summary>
/// <remarks>It never leaves the scheduler that it is started on and takes time and dice from outside, so a simulation can run it as it is.
/// The store belongs to the caller and outlives it.</remarks>
public sealed class Engine : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly ControllerPasswords _passwords;
    private readonly LoadRecord _loads;
    private readonly MigrationCosts _costs;
    private readonly DestroyedMachines _destroyed;
    private readonly StrayRegistrations _strays;
    private Task _loops = Task.CompletedTask;

    public Engine(IStore store, IHostConnector connector, IHostPower power, TimeProvider clock, IdSource ids, ILoggerFactory logs)
    {
        Clock = clock;
        Feed = new Feed { Run = ids.NewSecret(4) };
        Inventory = new InventoryWriter(store, Feed);
        Events = new EventLog(store, Feed, clock);
        Users = new Users(store, ids);
        Sessions = new Sessions(store, Users, Events, clock, ids);
        Statistics = new StatisticsHistory(clock);
        Tasks = new TaskEngine(store, Inventory, Events, Feed, clock, logs.CreateLogger<TaskEngine>());
        _destroyed = new DestroyedMachines(store, clock);
        Hosts = new HostSessions(connector, Inventory, Events, Statistics, _destroyed, clock, logs.CreateLogger<HostSessions>());
        Consoles = new MachineConsoles(Inventory, Tasks, Hosts, Events, Feed, clock, ids);

        _loads = new LoadRecord(store, clock);
        _costs = new MigrationCosts(store);
        new ContainerOperations(Inventory, _loads, ids).Register(Tasks);
        new CpuBaselineOperations(Inventory).Register(Tasks);
        new RuleOperations(Inventory, Events).Register(Tasks);
        new ArrangeOperations(Inventory, Hosts, Tasks).Register();
        _passwords = new ControllerPasswords(store);
        var rooms = new HostRooms(Inventory, Statistics);
        new HostOperations(Inventory, Hosts, rooms, connector, _passwords, _costs, Statistics, Events, clock).Register(Tasks);
        new StorageOperations(Inventory, Hosts, Events, ids).Register(Tasks);
        new NetworkOperations(Inventory, Hosts, Events, ids).Register(Tasks);
        new UserOperations(Users, Events).Register(Tasks);

        var machines = new MachineGround(Inventory, Tasks, Hosts, rooms, Statistics, Feed, ids, clock);
        MachineOperations.HandleAll(machines, _destroyed, Events);
        MigrationOperations.HandleAll(machines, _costs);
        new PoolOperations(machines).Register(Tasks);
        Pools = new PoolSharing(machines, logs.CreateLogger<PoolSharing>());
        Balancing = new ClusterBalancing(machines, store, _loads, _costs, Events, logs.CreateLogger<ClusterBalancing>());
        Maintenance = new MaintenancePlanner(machines, _costs);
        var evacuation = new HostEvacuation(machines, Maintenance, Events);
        new MaintenanceOperations(machines, evacuation, Events).Register(Tasks);
        new RollingMaintenanceOperations(machines, Events).Register(Tasks);
        new PowerSettings(Inventory, power, _passwords, Events).Register(Tasks);
        new StandbyOperations(machines, evacuation, new HostWaker(machines, power, _passwords), Events).Register(Tasks);
        new BalanceHandlers(Inventory, Balancing).Register(Tasks);
        _strays = new StrayRegistrations(machines, Events, logs.CreateLogger<StrayRegistrations>());
    }

    public TimeProvider Clock { get; }

    public Feed Feed { get; }

    public InventoryWriter Inventory { get; }

    public EventLog Events { get; }

    public Users Users { get; }

    public Sessions Sessions { get; }

    public StatisticsHistory Statistics { get; }

    public TaskEngine Tasks { get; }

    public HostSessions Hosts { get; }

    public MachineConsoles Consoles { get; }

    public ClusterBalancing Balancing { get; }

    public PoolSharing Pools { get; }

    public MaintenancePlanner Maintenance { get; }

    /// <summary>Loads what is stored, ends what an earlier run left half-done, and begins to talk to the hosts. Call once.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        Inventory.Load();
        Events.Load();
        Users.Load();
        Sessions.Load();
        _passwords.Load();
        _loads.Load();
        _costs.Load();
        _destroyed.Load();
        Balancing.Load();
        var left = Tasks.Load();
        var busy = Tasks.Hold(left);
        await Inventory.ApplyAsync(stored => AsUnheard(stored, busy));
        _loops = Task.WhenAll(_strays.RunAsync(_end.Token), Balancing.RunAsync(_end.Token), Pools.RunAsync(_end.Token));
        foreach (var host in Inventory.Current.OfType<Host>().Where(h => h.Connection != HostConnection.Disconnected).OrderBy(h => h.Id))
            Hosts.Start(host.Id);
        await Tasks.EndLeftoversAsync(left, _end.Token);
    }

    /// <summary>Ends the sessions with the hosts; hosts and machines run on.</summary>
    public async ValueTask DisposeAsync()
    {
        Tasks.Stop();
        // Not CancelAsync: that goes over the thread pool.
        _end.Cancel();
        await _loops;
        await Hosts.DisposeAsync();
        _end.Dispose();
    }

    // Only a task whose outcome is to be found out still holds its machine, and no host of this run has said anything yet.
    private static InventoryEdit AsUnheard(InventorySnapshot stored, IReadOnlyDictionary<EntityId, string> busy) => new(
        [
            .. stored.OfType<VirtualMachine>().Select(v => v with { BusyTask = busy.GetValueOrDefault(v.Id), IsStale = v.Host is not null }),
            .. stored.OfType<Host>().Select(Unheard),
        ],
        [],
        IsObserved: true);

    // The task that was emptying a host, or waking it, is over.
    private static Host Unheard(Host stored)
    {
        var host = stored with
        {
            Maintenance = stored.Maintenance is HostMaintenance.Next or HostMaintenance.Entering ? HostMaintenance.None : stored.Maintenance,
            Standby = stored.Standby switch
            {
                HostStandby.Entering => HostStandby.None,
                HostStandby.Exiting => HostStandby.In,
                _ => stored.Standby,
            },
        };
        return host.Connection == HostConnection.Disconnected ? host : host with { Connection = HostConnection.Connecting, Problem = null };
    }
}
