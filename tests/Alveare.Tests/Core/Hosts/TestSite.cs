using Alveare.Core;
using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Core.Security;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using Alveare.Model.Operations;
using Alveare.Model.Tasks;
using Alveare.Simulation.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Alveare.Tests.Core.Hosts;

/// <summary>A whole engine over hosts that tests play, with a datacenter in it.</summary>
internal sealed class TestSite(TimeProvider clock) : IHostConnector, IAsyncDisposable
{
    private readonly IdSource _ids = new(new Random(7).NextBytes);

    public MemoryStore Store { get; } = new();

    public Dictionary<string, TestHost> Hosts { get; } = [];

    public List<EntityId> Released { get; } = [];

    /// <summary>An address that no connection can be made of.</summary>
    public string? Unreadable { get; set; }

    /// <summary>What joining is refused with.</summary>
    public Fault? Refusal { get; set; }

    /// <summary>Hosts are claimed only when this has ended.</summary>
    public Task Claiming { get; set; } = Task.CompletedTask;

    public Engine Engine { get; private set; } = null!;

    public EntityId Datacenter { get; private set; }

    public InventorySnapshot Now => Engine.Inventory.Current;

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    /// <summary>A site with one datacenter and these hosts joined, in virtual time.</summary>
    public static async Task<TestSite> WithAsync(Scheduler scheduler, params TestHost[] hosts)
    {
        var site = new TestSite(scheduler.Time);
        await site.StartAsync();
        site.Datacenter = (await site.DoAsync(new CreateDatacenter { Target = EntityId.Root, Name = "dc" }))!.Value;
        foreach (var host in hosts)
            await site.JoinAsync(host);
        return site;
    }

    /// <summary>Starts an engine, also anew over what the last one stored.</summary>
    public async Task StartAsync(Action<Engine>? prepare = null)
    {
        Engine = new Engine(Store, this, new NoPower(), clock, _ids, NullLoggerFactory.Instance);
        prepare?.Invoke(Engine);
        await Engine.StartAsync(Soon);
    }

    public async Task<EntityId> JoinAsync(TestHost host, string? name = null)
    {
        Hosts[host.Name] = host;
        return (await DoAsync(Joining(host, name)))!.Value;
    }

    public JoinHost Joining(TestHost host, string? name = null) => new()
    {
        Target = Datacenter,
        Address = host.Name,
        Name = name,
        Fingerprint = "AA",
        User = "root",
        Password = "secret",
    };

    /// <summary>Carries out an operation to its successful end; answers its result.</summary>
    public async Task<EntityId?> DoAsync(Operation operation)
    {
        var ended = await EndAsync(operation);
        Assert.True(ended.State == TaskState.Succeeded, ended.Fault?.Message);
        return ended.Result;
    }

    /// <summary>Carries out an operation that must fail with this fault.</summary>
    public async Task<T> RefusedAsync<T>(Operation operation)
        where T : Fault => Assert.IsType<T>((await EndAsync(operation)).Fault);

    public async Task<TaskRecord> EndAsync(Operation operation)
    {
        var task = await Engine.Tasks.SubmitAsync(Session.System, operation);
        return await Engine.Tasks.WaitAsync(task.Id, Soon);
    }

    public VirtualMachine Machine(EntityId id) => Now.Get<VirtualMachine>(id);

    public Host Host(TestHost host) => Now.Get<Host>(host.Id);

    /// <summary>Waits until the inventory is as said.</summary>
    public async Task UntilAsync(Func<InventorySnapshot, bool> isSo)
    {
        for (var seen = Engine.Feed.Last; !isSo(Now); seen = Engine.Feed.Last)
            await Engine.Feed.WaitAsync(seen, CancellationToken.None);
    }

    /// <summary>Waits until there is an event of this kind.</summary>
    public async Task<string> EventAsync(string kind)
    {
        await UntilAsync(_ => Engine.Events.Since(0).Any(e => e.Kind == kind));
        return Engine.Events.Since(0).First(e => e.Kind == kind).Message;
    }

    public async Task<JoinedHost> JoinAsync(HostInvitation invitation, CancellationToken cancellation)
    {
        await Claiming;
        if (Refusal is { } refusal)
            throw new FaultException(refusal);
        var host = Hosts[invitation.Address];
        return new JoinedHost(host.Id, host.Name, invitation.Fingerprint);
    }

    public IHost Connect(Host host) => host.Address == Unreadable
        ? throw new FaultException(new InvalidArgument($"Host '{host.Name}'", "the address", host.Address, "a name and a port"))
        : Hosts.Values.Single(h => h.Id == host.Id);

    public Task ReleaseAsync(Host host, CancellationToken cancellation)
    {
        Released.Add(host.Id);
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync() => Engine.DisposeAsync();
}
