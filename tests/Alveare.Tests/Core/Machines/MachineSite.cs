using System.Collections.Immutable;
using Alveare.Core;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Core.Waiting;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Security;
using Alveare.Model.Tasks;
using Alveare.Planning.Placement;
using Alveare.Simulation.Scheduling;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Storage;
using Alveare.Simulation.Worlds;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Alveare.Tests.Core.Machines;

/// <summary>An engine over simulated hosts that share a datastore and a port group: what tests of machine operations stand on.</summary>
internal sealed class MachineSite : IAsyncDisposable
{
    public const string PortGroup = "blue";

    private static readonly Session Admin = new("anna", Role.Administrator, DateTimeOffset.MaxValue);

    private readonly List<Engine> _engines = [];

    private MachineSite(World world)
    {
        Simulation = new SimulatedSite(world);
        Hosts = new InterceptedHosts(Simulation, NewLimit);
        Store = new MemoryStore();
        Engine = NewEngine();
    }

    public SimulatedSite Simulation { get; }

    public InterceptedHosts Hosts { get; }

    public MemoryStore Store { get; private set; }

    public Engine Engine { get; private set; }

    public EntityId Datacenter { get; } = new(EntityKind.Datacenter, Number(1));

    public EntityId Cluster { get; } = new(EntityKind.Cluster, Number(2));

    public EntityId Datastore { get; } = EntityId.Datastore(Number(3));

    public SimulatedDatastore Files => Simulation.Datastores[0];

    public InventorySnapshot Now => Engine.Inventory.Current;

    /// <summary>A site in virtual time, in which everything takes as long as on real machines.</summary>
    public static Task<MachineSite> OpenAsync(Scheduler scheduler, int hosts = 2, Bytes? memory = null) =>
        OpenAsync(new World(scheduler, scheduler.Time, new Random(7)) { Pace = 1 }, hosts, memory, CpuBaselines.Default);

    /// <summary>A site on real threads, in which nothing takes time.</summary>
    /// <param name="cpuLevel">What all hosts but the last have.</param>
    public static Task<MachineSite> OpenAsync(
        int hosts = 2, Bytes? memory = null, TimeProvider? time = null, string cpuLevel = CpuBaselines.Default) =>
        OpenAsync(new World(new SerialTurns(), time ?? TimeProvider.System, new Random(7)), hosts, memory, cpuLevel);

    private static async Task<MachineSite> OpenAsync(World world, int hosts, Bytes? memory, string cpuLevel)
    {
        var site = new MachineSite(world);
        site.Simulation.AddDatastore("/shared").Id = site.Datastore;
        for (var number = 1; number <= hosts; number++)
            site.Simulation.AddHost($"h{number}", memory, cpuLevel: number == hosts ? CpuBaselines.Default : cpuLevel);
        await site.Engine.StartAsync(CancellationToken.None);
        await site.Engine.Inventory.ApplyAsync(_ => InventoryEdit.Of([.. site.Objects()]));
        foreach (var host in site.Simulation.Hosts)
            site.Engine.Hosts.Start(host.Id);
        await site.UntilAsync(now => now.OfType<Host>().All(h => h.Datastores.Length == 1 && h.PortGroups.Length == 1), "every host offers everything");
        return site;
    }

    /// <summary>Ends what waits too long. In virtual time that is the scheduler's to find: a busy machine takes as long as it likes for the same turns.</summary>
    public CancellationTokenSource NewLimit() => new(Simulation.World.Turns is Scheduler ? Timeout.InfiniteTimeSpan : Patience.Longest);

    /// <summary>The id of the n-th host, from 1.</summary>
    public EntityId Host(int number) => Simulation.Hosts[number - 1].Id;

    public VirtualMachine Vm(EntityId id) => Now.Get<VirtualMachine>(id);

    public VirtualMachine Vm(string name) => Now.OfType<VirtualMachine>().Single(v => v.Name == name);

    public CreateVm Creation(string name) => new()
    {
        Target = Datacenter,
        Name = name,
        Datastore = Datastore,
        Cpus = 2,
        Memory = Bytes.FromMib(512),
        Disks = [Bytes.FromGib(1)],
        PortGroups = [PortGroup],
    };

    /// <summary>A machine that is off (or on), on the host of that number.</summary>
    public async Task<EntityId> CreateAsync(string name, int host = 1, bool on = false, Bytes? memory = null)
    {
        var made = await SucceedAsync(Creation(name) with { Location = Host(host), Memory = memory ?? Bytes.FromMib(512) });
        if (on)
            await SucceedAsync(new PowerOn { Target = made.Result!.Value, Host = Host(host) });
        return made.Result!.Value;
    }

    public Task<TaskRecord> SubmitAsOperatorAsync(Operation operation) => Engine.Tasks.SubmitAsync(Admin with { User = "otto", Role = Role.Operator }, operation);

    public Task<TaskRecord> SubmitAsync(Operation operation) => Engine.Tasks.SubmitAsync(Admin, operation);

    public TaskRecord Cancel(TaskRecord task) => Engine.Tasks.Cancel(Admin, task.Id);

    public async Task<TaskRecord> EndAsync(TaskRecord task)
    {
        using var limit = NewLimit();
        return await Engine.Tasks.WaitAsync(task.Id, limit.Token);
    }

    public async Task<TaskRecord> SucceedAsync(Operation operation)
    {
        var ended = await EndAsync(await SubmitAsync(operation));
        Assert.True(ended.State == TaskState.Succeeded, $"{ended.Operation} ended {ended.State}: {ended.Fault?.Message}");
        return ended;
    }

    /// <summary>Runs an operation that must be refused, or fail, with this fault.</summary>
    public async Task<T> FailAsync<T>(Operation operation)
        where T : Fault
    {
        Fault? fault;
        try
        {
            fault = (await EndAsync(await SubmitAsync(operation))).Fault;
        }
        catch (FaultException e)
        {
            fault = e.Fault;
        }

        return Assert.IsType<T>(fault);
    }

    public async Task UntilAsync(Func<InventorySnapshot, bool> isSo, string what)
    {
        using var limit = NewLimit();
        while (true)
        {
            var seen = Engine.Feed.Last;
            if (isSo(Now))
                return;
            try
            {
                await Engine.Feed.WaitAsync(seen, limit.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Fail($"It did not become true that {what}.");
            }
        }
    }

    /// <summary>Runs an operation, and does something as soon as its host has told of its first progress, before anything else happens there.</summary>
    public async Task<TaskRecord> EndWithAsync(Operation operation, Action<TaskRecord> inTheMiddle)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Hosts.Begun = () =>
        {
            Hosts.Begun = null;
            Simulation.World.Nature.Post(
                _ =>
                {
                    inTheMiddle(Engine.Tasks.List()[0]);
                    done.SetResult();
                },
                null);
        };
        var task = await SubmitAsync(operation);
        using var limit = NewLimit();
        await done.Task.OrCancelledAsync(limit.Token);
        return await EndAsync(task);
    }

    /// <summary>The agent of the host of that number is started anew, and says why it could not power the host down.</summary>
    public async Task SayPowerDownProblemAsync(int number, string problem)
    {
        var host = Simulation.Hosts[number - 1];
        host.Says = host.Says with { PowerDownProblem = problem };
        host.KillAgent();
        host.StartAgent();
        await UntilAsync(now => now.Get<Host>(host.Id) is { Connection: HostConnection.Connected, Facts: { } facts } && facts.PowerDownProblem == problem, "it says so");
    }

    /// <summary>Waits until a task says something of itself.</summary>
    public async Task<TaskRecord> UntilTaskAsync(TaskRecord task, Func<TaskRecord, bool> isSo, string what)
    {
        await UntilAsync(_ => Engine.Tasks.Get(task.Id) is var now && (now.HasEnded || isSo(now)), what);
        var seen = Engine.Tasks.Get(task.Id);
        Assert.True(isSo(seen), $"It ended {seen.State} before {what}: {seen.Fault?.Message}");
        return seen;
    }

    /// <summary>An engine that is killed here and started again from what is on disk; what the old one still does goes nowhere.</summary>
    public async Task KillAndRestartAsync(MemoryStore? disk = null)
    {
        Store = disk ?? Store.Copy();
        Engine = NewEngine();
        await Engine.StartAsync(CancellationToken.None);
    }

    /// <summary>What a host has, as it says itself.</summary>
    public async Task<HostMachine?> OnHostAsync(int host, EntityId vm) =>
        (await Simulation.Hosts[host - 1].ObserveAsync(CancellationToken.None)).Machines.FirstOrDefault(m => m.Id == vm);

    /// <summary>The numbers of the hosts on which a process of the machine lives.</summary>
    public ImmutableArray<int> ProcessesOf(EntityId vm) =>
        [.. Simulation.Hosts.Select((host, index) => (host, index)).Where(h => h.host.Living.Any(q => q.Machine == vm)).Select(h => h.index + 1)];

    public async ValueTask DisposeAsync()
    {
        foreach (var engine in _engines)
            await engine.DisposeAsync();
        Assert.Empty(Simulation.World.Violations);
    }

    private static Guid Number(int number) => new(number, 0, 0, new byte[8]);

    private Engine NewEngine()
    {
        var dice = new Random(_engines.Count + 1);
        var engine = new Engine(Store, Hosts, Simulation, Simulation.World.Time, new IdSource(dice.NextBytes), NullLoggerFactory.Instance);
        _engines.Add(engine);
        return engine;
    }

    private IEnumerable<Entity> Objects()
    {
        yield return new Datacenter { Id = Datacenter, Name = "site", Parent = EntityId.Root };
        yield return new Cluster { Id = Cluster, Name = "cluster", Parent = Datacenter };
        yield return new Datastore { Id = Datastore, Name = "shared", Parent = Datacenter, Path = "/shared" };
        yield return new PortGroup { Id = new EntityId(EntityKind.PortGroup, Number(4)), Name = PortGroup, Parent = Datacenter, Vni = 100 };
        foreach (var host in Simulation.Hosts)
            yield return new Host { Id = host.Id, Name = host.Name, Parent = Cluster, Address = host.Address, Fingerprint = host.Fingerprint };
    }
}
