using Alveare.Core.Hosts;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Simulation.Sites;
using Alveare.Simulation.Storage;
using Xunit;

namespace Alveare.Tests.Simulation;

/// <summary>Simulated hosts as ordinary tests use them: on real threads, in no time.</summary>
public sealed class SimulatedSiteTests
{
    private static readonly EntityId Ds = EntityId.Datastore(new Guid(1, 0, 0, new byte[8]));

    private readonly SimulatedSite _site = SimulatedSite.Open(TimeProvider.System);

    private static CancellationToken Soon => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AMachineIsMadeStartedMovedLiveAndDestroyed()
    {
        var (a, b) = await TwoHostsAsync();
        var spec = Spec("web01");
        await DoAsync(a, new CreateMachine(new DatastorePath(Ds, "web01/web01.vmx"), spec));
        var started = await MachineAsync(a, new StartMachine(spec.Id, 0));
        Assert.Equal((PowerState.On, 1), (started.Power, started.LockEpoch));

        var migration = Guid.Parse("00000000-0000-0000-0000-000000000009");
        var ready = Assert.IsType<IncomingReady>(await DoAsync(
            b, new PrepareIncoming(migration, spec.Id, started.Config, a.Id, started.LockEpoch, new MigrationSettings())));
        var arriving = DoAsync(b, new AwaitIncoming(migration));
        Assert.IsType<SendFinished>(await DoAsync(a, new SendMachine(migration, spec.Id, b.Id, ready.Uri, new MigrationSettings())));
        var arrived = Assert.IsType<IncomingFinished>(await arriving).Machine;
        Assert.Equal((PowerState.On, 2), (arrived.Power, arrived.LockEpoch));
        Assert.Empty((await a.ObserveAsync(Soon)).Machines);

        Assert.Equal(PowerState.Off, (await MachineAsync(b, new StopMachine(spec.Id))).Power);
        await DoAsync(b, new DestroyMachine(spec.Id));
        Assert.Empty((await b.ObserveAsync(Soon)).Machines);
        Assert.Empty(_site.Datastores[0].Files);
        Assert.Empty(_site.World.Violations);
    }

    [Fact]
    public async Task AMachineIsNotStartedTwice()
    {
        var (a, b) = await TwoHostsAsync();
        var spec = Spec("web01");
        var config = new DatastorePath(Ds, "web01/web01.vmx");
        await DoAsync(a, new CreateMachine(config, spec));
        await DoAsync(b, new RegisterMachine(config));
        await DoAsync(a, new StartMachine(spec.Id, 0));
        var refused = await Assert.ThrowsAsync<FaultException>(() => DoAsync(b, new StartMachine(spec.Id, 0)));
        Assert.IsType<MachineLocked>(refused.Fault);
    }

    [Fact]
    public async Task MachinesOutliveTheAgentButNotTheHost()
    {
        var (a, _) = await TwoHostsAsync();
        var spec = Spec("web01");
        await DoAsync(a, new CreateMachine(new DatastorePath(Ds, "web01/web01.vmx"), spec));
        await DoAsync(a, new StartMachine(spec.Id, 0));
        var host = _site.Hosts[0];

        host.KillAgent();
        Assert.IsType<HostNotConnected>((await Assert.ThrowsAsync<FaultException>(() => a.ObserveAsync(Soon))).Fault);
        host.StartAgent();
        Assert.Equal(PowerState.On, (await a.ObserveAsync(Soon)).Machines.Single().Power);

        host.Crash();
        host.Boot();
        Assert.Equal(PowerState.Off, await PowerIsAsync(a, PowerState.Off));
        Assert.Equal(PowerState.On, (await MachineAsync(a, new StartMachine(spec.Id, 0))).Power);
        Assert.Empty(_site.World.Violations);
    }

    [Fact]
    public async Task AWatcherIsToldOfEverythingAndOfTheEnd()
    {
        var (a, _) = await TwoHostsAsync();
        await using var changes = a.WatchAsync(Soon).GetAsyncEnumerator(Soon);
        Assert.True(await changes.MoveNextAsync());
        Assert.Empty(Assert.IsType<HostObserved>(changes.Current).Snapshot.Machines);
        var spec = Spec("web01");
        await DoAsync(a, new CreateMachine(new DatastorePath(Ds, "web01/web01.vmx"), spec));
        Assert.True(await changes.MoveNextAsync());
        Assert.Equal(spec.Id, Assert.IsType<MachineChanged>(changes.Current).Machine.Id);
        _site.Hosts[0].KillAgent();
        Assert.IsType<HostNotConnected>((await Assert.ThrowsAsync<FaultException>(async () => await changes.MoveNextAsync())).Fault);
    }

    [Fact]
    public async Task ALinkedCloneStandsOnItsTemplate()
    {
        var (a, _) = await TwoHostsAsync();
        var template = Spec("small") with { IsTemplate = true, Disks = [new DiskSpec("small.qcow2", Bytes.FromGib(1))] };
        await DoAsync(a, new CreateMachine(new DatastorePath(Ds, "small/small.vmx"), template));
        var clone = Spec("web01", 2) with { Disks = [new DiskSpec("web01.qcow2", Bytes.FromGib(1))] };
        await DoAsync(a, new CloneMachine(
            new DatastorePath(Ds, "small/small.vmx"), new DatastorePath(Ds, "web01/web01.vmx"), clone, CloneKind.Linked, null));
        var refused = await Assert.ThrowsAsync<FaultException>(() => DoAsync(a, new DestroyMachine(template.Id)));
        Assert.IsType<ObjectInUse>(refused.Fault);
    }

    [Fact]
    public async Task AFullDatastoreRefusesWhatWritesAndKeepsNoMachineFromEnding()
    {
        var (a, b) = await TwoHostsAsync();
        var (on, off, more) = (Spec("on"), Spec("off", 2), Spec("more", 3));
        var config = new DatastorePath(Ds, "off/off.vmx");
        await DoAsync(a, new CreateMachine(new DatastorePath(Ds, "on/on.vmx"), on));
        await DoAsync(a, new CreateMachine(config, off));
        var started = await MachineAsync(a, new StartMachine(on.Id, 0));

        _site.Datastores[0].IsFull = true;
        HostCommand[] writing =
        [
            new CreateMachine(new DatastorePath(Ds, "more/more.vmx"), more),
            new CloneMachine(config, new DatastorePath(Ds, "more/more.vmx"), more, CloneKind.Linked, null),
            new ReconfigureMachine(off.Id, off with { Cpus = 2 }),
            new StartMachine(off.Id, 0),
            new DestroyMachine(off.Id),
        ];
        foreach (var command in writing)
            Assert.IsType<DatastoreFull>((await Assert.ThrowsAsync<FaultException>(() => DoAsync(a, command))).Fault);
        var preparing = new PrepareIncoming(Guid.NewGuid(), on.Id, started.Config, a.Id, started.LockEpoch, new MigrationSettings());
        Assert.IsType<DatastoreFull>((await Assert.ThrowsAsync<FaultException>(() => DoAsync(b, preparing))).Fault);
        Assert.Empty((await b.ObserveAsync(Soon)).Machines);
        Assert.Equal(PowerState.Off, (await MachineAsync(a, new StopMachine(on.Id))).Power);

        _site.Datastores[0].IsFull = false;
        Assert.Equal(1, (await a.ObserveAsync(Soon)).Machines.Single(m => m.Id == off.Id).Spec!.Cpus);
        Assert.Equal(PowerState.On, (await MachineAsync(a, new StartMachine(off.Id, 0))).Power);
    }

    [Fact]
    public void ATakingThatIsPreparedNeedsNoRoom()
    {
        var store = _site.AddDatastore("/alone");
        var host = EntityId.Host(Guid.NewGuid());
        store.Prepare("web", new LockRecord(1, host, "a"));
        store.IsFull = true;

        Assert.Throws<FaultException>(() => store.TryPublish("web", new LockRecord(1, EntityId.Host(Guid.NewGuid()), "b")));
        Assert.True(store.TryPublish("web", new LockRecord(1, host, "a")));
        Assert.True(store.TryPublish("web", new LockRecord(2, null, null)));
        Assert.Throws<FaultException>(() => store.TryPublish("web", new LockRecord(3, host, "a")));
    }

    private static MachineSpec Spec(string name, int number = 1) =>
        new() { Uuid = new Guid(number, 1, 0, new byte[8]), Name = name, Cpus = 1, Memory = Bytes.FromMib(128) };

    private static Task<HostReply> DoAsync(IHost host, HostCommand command) => host.ExecuteAsync(command, null, Soon);

    private static async Task<HostMachine> MachineAsync(IHost host, HostCommand command) =>
        Assert.IsType<MachineReply>(await DoAsync(host, command)).Machine;

    private static async Task<PowerState> PowerIsAsync(IHost host, PowerState expected)
    {
        await foreach (var change in host.WatchAsync(Soon))
        {
            var machines = change switch
            {
                HostObserved observed => observed.Snapshot.Machines,
                MachineChanged changed => [changed.Machine],
                _ => [],
            };
            if (machines.Any(m => m.Power == expected))
                return expected;
        }

        return PowerState.Unknown;
    }

    private async Task<(IHost A, IHost B)> TwoHostsAsync()
    {
        _site.AddDatastore("/ds");
        var hosts = new List<IHost>();
        foreach (var name in new[] { "a", "b" })
        {
            var host = _site.AddHost(name);
            var joined = await _site.JoinAsync(
                new HostInvitation(host.Address, host.Fingerprint, SimulatedSite.User, SimulatedSite.Password, false), Soon);
            var link = _site.Connect(new Alveare.Model.Inventory.Host
            {
                Id = joined.Id, Name = joined.HostName, Address = host.Address, Fingerprint = joined.Fingerprint,
            });
            await DoAsync(link, new MountDatastore(Ds, "ds", "/ds", Mark: true));
            hosts.Add(link);
        }

        return (hosts[0], hosts[1]);
    }
}
