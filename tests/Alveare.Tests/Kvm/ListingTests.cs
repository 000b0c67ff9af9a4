using System.Diagnostics;
using System.Text;
using Alveare.Kvm;
using Alveare.Kvm.Files;
using Alveare.Kvm.Locks;
using Alveare.Kvm.Machines;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Tests.Kvm.Machines;
using Xunit;

namespace Alveare.Tests.Kvm;

public sealed class ListingTests : IAsyncLifetime
{
    private static readonly EntityId Host = EntityId.Host(Guid.NewGuid());
    private static readonly EntityId Datastore = EntityId.Datastore(new Guid(1, 0, 0, [0, 0, 0, 0, 0, 0, 0, 1]));

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-reg-").FullName;
    private readonly HostState _state = BareHost.NewState();
    private readonly DatastoreTable _datastores;
    private readonly MachineTable _machines;
    private readonly Ground _ground;
    private readonly Listing _listing;
    private readonly Registry _registry;
    private readonly Inspection _inspection;

    public ListingTests()
    {
        _datastores = new DatastoreTable("h1", TimeProvider.System, all => _state.Publish(new DatastoresChanged(all)));
        _registry = new Registry(_directory);
        _machines = new MachineTable(_state, _registry);
        _ground = new Ground(Host, "h1", _datastores);
        _listing = new Listing(_machines, _ground);
        var leftovers = new LeftoverFiles(Path.Combine(_directory, "clones"), _ground);
        _inspection = new Inspection(
            Host, _state, _machines, _registry, _ground, _listing, leftovers, null!, new DatastoreThreads(), Path.Combine(_directory, "run"), TestContext.Current.CancellationToken);
        _datastores.Returned = _inspection.LookAsync;
    }

    private string Storage => Path.Combine(_directory, "ds");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Storage);
        await _datastores.MountAsync(new MountDatastore(Datastore, "shared", Storage, Mark: true));
    }

    public ValueTask DisposeAsync()
    {
        _machines.Dispose();
        Directory.Delete(_directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void AnUnreadableFileIsAnInvalidMachineWithTheReasonAndOthersAreUntouched()
    {
        var good = Register("good", Text("good"));
        var bad = Register("bad", Text("bad").Replace("memSize = \"64\"", "memSize = \"0\""));

        Assert.Null(bad.Spec);
        Assert.Equal("line 6: the key 'memSize' is '0', expected a whole number from 16 to 6291456", bad.InvalidReason);
        Assert.Equal([good, bad], _state.Current.Machines.OrderBy(m => m.Config.Path).Reverse());
        Assert.Null(good.InvalidReason);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void AMendedFileThatIsRegisteredAgainIsValidAndListedOnce(bool uuidWasReadable)
    {
        var text = Text("web");
        var bad = Register("web", uuidWasReadable ? text.Replace("numvcpus", "numvcpus numvcpus") : "\0binary");
        Assert.NotNull(bad.InvalidReason);

        var mended = Register("web", text);

        Assert.Equal("web", mended.Spec?.Name);
        Assert.Null(mended.InvalidReason);
        Assert.Equal(mended, Assert.Single(_state.Current.Machines));
        if (uuidWasReadable)
            Assert.Equal(bad.Id, mended.Id);
    }

    [Fact]
    public void RegisteringTwiceIsTheSameAndACopyIsRefused()
    {
        var text = Text("web");
        Assert.Equal(Register("web", text), Register("web", text));

        var refused = Assert.Throws<FaultException>(() => Register("copy", text));

        Assert.Contains("a copy needs one of its own", Assert.IsType<InvalidMachine>(refused.Fault).Reason);
        Assert.Single(_state.Current.Machines);
    }

    [Fact]
    public void AMachineWhoseFilesWereMovedIsRegisteredWhereTheyAre()
    {
        var text = Text("web");
        var before = Register("web", text);
        Directory.Delete(Path.Combine(Storage, "web"), recursive: true);

        var moved = Register("moved", text);

        Assert.Equal(before.Id, moved.Id);
        Assert.Equal("moved/moved.vmx", Assert.Single(_state.Current.Machines).Config.Path);
    }

    [Fact]
    public void AMachineThatComesFromAnotherHostIsListedWhereThatHostHasIt()
    {
        var before = Register("web", Text("web"));
        Directory.Delete(Path.Combine(Storage, "web"), recursive: true);

        var coming = _listing.AddVisiting(before with { Config = ConfigOf("moved"), LockEpoch = 7 });

        Assert.Equal((before.Id, ConfigOf("moved"), 7), (coming.Id, coming.Current.Config, coming.Current.LockEpoch));
        Assert.Same(coming, Assert.Single(_machines.All));
    }

    [Fact]
    public void AMachineThatComesFromAnotherHostIsNotTakenForTheCopyThatIsRegisteredHere()
    {
        var copy = Register("copy", Text("web"));

        var refused = Assert.Throws<FaultException>(() => _listing.AddVisiting(copy with { Config = ConfigOf("web") }));

        Assert.Contains("its uuid.bios is that of 'web' at 'copy/copy.vmx'", Assert.IsType<InvalidMachine>(refused.Fault).Reason);
        Assert.Equal(copy, Assert.Single(_state.Current.Machines));
    }

    [Fact]
    public void AMachineThatComesBackIsKnownAsItsFilesAreNow()
    {
        var before = Register("web", Text("web").Replace("memSize = \"64\"", "memSize = \"0\""));
        Assert.NotNull(before.InvalidReason);
        var spec = VmxFile.Read("web.vmx", Encoding.UTF8.GetBytes(Text("web"))) with { Uuid = before.Id.Uuid };

        var coming = _listing.AddVisiting(new HostMachine { Id = before.Id, Config = before.Config, Spec = spec, Power = PowerState.Off, LockEpoch = 3 });

        Assert.Equal((spec, null, 3), (coming.Current.Spec, coming.Current.InvalidReason, coming.Current.LockEpoch));
    }

    [Fact]
    public void AFileThatIsNotThereIsAFault() =>
        Assert.IsType<FileNotFoundFault>(Assert.Throws<FaultException>(() => _listing.Add(ConfigOf("none"))).Fault);

    [Fact]
    public async Task ADatastoreThatGoesAwayIsAProblemAndItsMachinesAreReadAgainWhenItIsBack()
    {
        Register("web", Text("web"));
        Assert.True(Assert.Single(_state.Current.Datastores).Capacity > Bytes.Zero);
        Directory.Move(Storage, Storage + ".away");
        await _datastores.TellAllAsync();
        Assert.Contains("not mounted", Assert.Single(_state.Current.Datastores).Problem);
        var known = Assert.Single(_machines.All);
        var lost = _listing.Describe(new RegisteredMachine(known.Id, known.Current.Config));
        Assert.Contains("not mounted", lost.InvalidReason);
        known.Change(_ => lost);

        Directory.Move(Storage + ".away", Storage);
        await _datastores.TellAllAsync();

        Assert.Null(Assert.Single(_state.Current.Datastores).Problem);
        Assert.Equal("web", Assert.Single(_state.Current.Machines).Spec?.Name);
    }

    [Fact]
    public async Task AFileThatIsSpoiltWhileItsMachineRunsTakesNothingFromWhatRuns()
    {
        await using var pooled = await PooledMachine.StartAsync((_, _) => null);
        var known = Register("web", Text("web"));
        var machine = _machines.Find(known.Id);
        machine.Run = pooled.Run;
        File.WriteAllText(Path.Combine(Storage, known.Config.Path), "no configuration");

        Assert.IsType<InvalidMachine>(Assert.Throws<FaultException>(() => _ground.ReadSpec(machine)).Fault);
        Assert.Equal(known, machine.Current);

        machine.Run = null;
        Assert.IsType<InvalidMachine>(Assert.Throws<FaultException>(() => _ground.ReadSpec(machine)).Fault);
        Assert.Equal((null, true), (machine.Current.Spec, machine.Current.InvalidReason is not null));
    }

    [Theory]
    [InlineData(true, "vm.died")]
    [InlineData(false, "vm.unlocked")]
    public async Task OnlyAMachineThatWasLockedBeforeTheHostsBootIsSaidToHaveRun(bool hasBooted, string kind)
    {
        var known = Register("web", Text("web"));
        var boot = hasBooted ? "an earlier one" : File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
        new MachineLock(Path.Combine(Storage, "web"), "web", "shared").TryTake(new LockRecord(0, null, null, null), Host, "h1", boot);
        // As an agent finds it that starts.
        _machines.Find(known.Id).Change(m => m with { Spec = null, Power = PowerState.Unknown });

        await _inspection.LookAsync(Datastore);

        Assert.Equal(known with { LockEpoch = 2, Revision = 0 }, _machines.Find(known.Id).Current with { Revision = 0 });
        await foreach (var change in _state.WatchAsync(TestContext.Current.CancellationToken))
        {
            if (change is not HostEventRaised told)
                continue;
            Assert.Equal((kind, hasBooted), (told.Kind, told.IsProblem));
            break;
        }
    }

    [Fact]
    public async Task ADatastoreThatHangsKeepsNoMachineOfAnotherFromBeingRegistered()
    {
        var far = EntityId.Datastore(Guid.NewGuid());
        var storage = Directory.CreateDirectory(Path.Combine(_directory, "far")).FullName;
        var marker = Path.Combine(storage, DatastoreRoot.Marker);
        using (var made = Process.Start("mkfifo", marker))
            await made.WaitForExitAsync(TestContext.Current.CancellationToken);
        _datastores.Restore([new MountDatastore(far, "far", storage)]);
        // Whoever opens a pipe waits for somebody who writes.
        var hanging = Task.Factory.StartNew(
            () => _listing.Add(new DatastorePath(far, "web/web.vmx")), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), TestContext.Current.CancellationToken);

            var registered = await Task.Run(() => Register("web", Text("web")), TestContext.Current.CancellationToken).WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);
            Assert.Equal("web", registered.Spec?.Name);
            Assert.False(hanging.IsCompleted);
        }
        finally
        {
            await File.WriteAllTextAsync(marker, "\n", CancellationToken.None);
            await hanging.ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    [Fact]
    public async Task AnEmptyDirectoryInThePlaceOfAKnownDatastoreIsNotMarkedAsIt()
    {
        Directory.Move(Storage, Storage + ".away");
        Directory.CreateDirectory(Storage);

        var refused = await Assert.ThrowsAsync<FaultException>(() => _datastores.MountAsync(new MountDatastore(Datastore, "shared", Storage, Mark: true)));

        Assert.IsType<DatastoreNotAccessible>(refused.Fault);
        Assert.Empty(Directory.GetFileSystemEntries(Storage));
    }

    private static DatastorePath ConfigOf(string name) => new(Datastore, $"{name}/{name}.vmx");

    private static string Text(string name) => Encoding.UTF8.GetString(VmxFile.Write(
        new MachineSpec { Uuid = Guid.NewGuid(), Name = name, Cpus = 1, Memory = Bytes.FromMib(64) }));

    private HostMachine Register(string name, string text)
    {
        Directory.CreateDirectory(Path.Combine(Storage, name));
        File.WriteAllText(Path.Combine(Storage, $"{name}/{name}.vmx"), text);
        return _listing.Add(ConfigOf(name)).Current;
    }
}
