using System.Collections.Immutable;
using Alveare.Kvm.Files;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Kvm.Qmp;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Tests.Kvm.Qmp;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>The end of a QEMU that answers as a test wants.</summary>
public sealed class PowerControlTests : IAsyncLifetime
{
    // Above the highest process id of Linux.
    private const int NoProcess = 1 << 22;

    private static readonly EntityId Host = EntityId.Host(Guid.NewGuid());
    private static readonly EntityId Datastore = EntityId.Datastore(Guid.NewGuid());

    private readonly string _directory = Directory.CreateTempSubdirectory("alv-").FullName;
    private readonly HostState _state = BareHost.NewState();
    private readonly FakeQemu _qemu = new(_ => null);
    private readonly MachineSpec _spec = new() { Uuid = Guid.NewGuid(), Name = "web", Cpus = 1, Memory = Bytes.FromMib(64) };
    private readonly DatastorePath _config = new(Datastore, "web/web.vmx");
    private readonly Ground _ground;
    private readonly DatastoreTable _datastores;
    private readonly PowerControl _power;
    private readonly Machine _machine;
    private MachineRun _run = null!;

    public PowerControlTests()
    {
        _datastores = new DatastoreTable("h1", TimeProvider.System, _ => { });
        _ground = new Ground(Host, "h1", _datastores);
        var surroundings = new Surroundings(null!, new StuckGroups(), null!);
        _power = new PowerControl(_state, null!, _ground, surroundings, new MachineLog(_ground, "h1", TimeProvider.System));
        _machine = new Machine(_state, new HostMachine { Id = _spec.Id, Config = _config, Spec = _spec, Power = PowerState.On });
    }

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "ds", "web"));
        await _datastores.MountAsync(new MountDatastore(Datastore, "shared", Path.Combine(_directory, "ds"), Mark: true));
        var run = new RunDirectory(_directory, _spec.Uuid);
        Directory.CreateDirectory(run.Path);
        // As the shim of a QEMU that has ended leaves it.
        File.WriteAllText(Path.Combine(run.Path, "exit"), "0\n");
        var qmp = await QmpConnection.ConnectAsync(_qemu.Path, null, Patience.Longest, TestContext.Current.CancellationToken);
        var epoch = _ground.Take(_config, "web", minEpoch: 0);
        _run = new MachineRun(
            new QemuProcess(run, NoProcess, qmp),
            new RunRecord { Config = _config, StartedAt = DateTimeOffset.UnixEpoch, LockEpoch = epoch, Attachments = new RunAttachments([], ["group"]) });
        _power.Adopt(_machine, _run, PowerState.On);
    }

    public async ValueTask DisposeAsync()
    {
        // Then its run directory is gone.
        (await _machine.EnterAsync(CancellationToken.None)).Dispose();
        _qemu.Dispose();
        _machine.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task AMachineWhoseSurroundingsCannotBeTakenAwayIsOffAndItsLockIsFree()
    {
        await EndAsync();

        await _run.Ended.WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);
        Assert.Null(_machine.Run);
        Assert.Equal((PowerState.Off, 2L), (_machine.Current.Power, _machine.Current.LockEpoch));
        Assert.Null(_ground.ReadLock(_config).Owner);
        Assert.Contains("the kernel says no", (await ToldAsync("vm.left-behind")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AnEndThatCannotBeSeenToIsToldToWhoeverWaitsForIt()
    {
        _power.EndedInMigration = (_, _, _) => throw new InvalidOperationException("a bug");

        await EndAsync();

        await Assert.ThrowsAsync<InvalidOperationException>(() => _run.Ended.WaitAsync(Patience.Longest, TestContext.Current.CancellationToken));
        Assert.Contains("a bug", (await ToldAsync("vm.end-failed")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMachineIsPoweredOffThoughItsRunsRecordCannotBeWritten()
    {
        // A directory in the record's place stands for a disk that is full.
        Directory.CreateDirectory(_run.Directory.Record);

        await PowerControl.StopAsync(_machine, TestContext.Current.CancellationToken).WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);

        Assert.Equal(PowerState.Off, _machine.Current.Power);
    }

    [Fact]
    public async Task AMachineWhoseDestructionIsRefusedRunsOn()
    {
        File.WriteAllText(Path.Combine(_directory, "ds", "web", "web.vmx"), "spoilt");
        using var machines = new MachineTable(_state, new Registry(Path.Combine(_directory, "state")));

        var refused = await Assert.ThrowsAsync<FaultException>(() => new Destruction(machines, _ground).DestroyAsync(_machine, powerOff: true, TestContext.Current.CancellationToken));

        Assert.IsType<InvalidMachine>(refused.Fault);
        Assert.Same(_run, _machine.Run);
        Assert.Equal(EndReason.None, _run.EndReason);
        Assert.False(_run.Record.IsPoweredOff);
    }

    private async Task EndAsync() => await Assert.ThrowsAsync<QmpClosedException>(() => _run.Qmp.ExecuteAsync("quit"));

    private async Task<HostEventRaised> ToldAsync(string kind)
    {
        await foreach (var change in _state.WatchAsync(TestContext.Current.CancellationToken))
        {
            if (change is HostEventRaised raised && raised.Kind == kind)
                return raised;
        }

        throw new InvalidOperationException("The watch ended.");
    }

    /// <summary>Control groups that cannot be removed.</summary>
    private sealed class StuckGroups : NoGroups
    {
        public override void Remove(ImmutableArray<string> groups) => throw new IOException("the kernel says no");
    }
}
