using Alveare.Kvm.Clones;
using Alveare.Kvm.Files;
using Alveare.Kvm.Machines;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Tests.Kvm.Files;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>What is written and what is not when files are registered that somebody else may have made.</summary>
public sealed class RegistrationTests : IAsyncLifetime
{
    private static readonly EntityId Datastore = EntityId.Datastore(new Guid(1, 0, 0, [0, 0, 0, 0, 0, 0, 0, 1]));

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-register-").FullName;
    private readonly MachineTable _machines;
    private readonly DatastoreTable _datastores = new("h1", TimeProvider.System, _ => { });
    private readonly Ground _ground;
    private readonly LeftoverFiles _leftovers;
    private readonly Registration _registration;

    public RegistrationTests()
    {
        _machines = new MachineTable(BareHost.NewState(), new Registry(Path.Combine(_directory, "state")));
        _ground = new Ground(EntityId.Host(Guid.NewGuid()), "h1", _datastores);
        _leftovers = new LeftoverFiles(Making, _ground);
        _registration = new Registration(_machines, _ground, null!, new Listing(_machines, _ground), _leftovers);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Storage => Path.Combine(_directory, "ds");

    private string Making => Path.Combine(_directory, "clones");

    private string Outside => Path.Combine(_directory, "outside");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Storage);
        Directory.CreateDirectory(Outside);
        File.WriteAllText(Path.Combine(Outside, "passwd"), "");
        await _datastores.MountAsync(new MountDatastore(Datastore, "shared", Storage, Mark: true));
    }

    public ValueTask DisposeAsync()
    {
        _machines.Dispose();
        Directory.Delete(_directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData("{0}/passwd")]
    [InlineData("../../outside/passwd")]
    public void NothingIsWrittenBesideAFileOutsideOfTheDatastoreOnWhichADiskClaimsToStand(string backing)
    {
        Write("web", backing: string.Format(null, backing, Outside));

        Assert.NotNull(_registration.Register(ConfigOf("web")).Machine.Spec);

        Assert.Equal(["passwd"], Directory.GetFileSystemEntries(Outside).Select(f => Path.GetFileName(f)));
    }

    [Fact]
    public void AMachineIsRegisteredWhoseDiskStandsOnWhatCannotBeOpened()
    {
        // Longer than a name can be: the kernel says so, and not that there is no such file.
        Write("web", backing: new string('x', 300));

        Assert.NotNull(_registration.Register(ConfigOf("web")).Machine.Spec);
    }

    [Fact]
    public void NothingIsWrittenThroughALinkInThePlaceWhereClonesAreEntered()
    {
        Write("source");
        Write("web", backing: "../source/source.qcow2");
        Directory.CreateSymbolicLink(Path.Combine(Storage, "source", "clones"), Outside);

        Assert.IsType<InvalidPath>(Assert.Throws<FaultException>(() => _registration.Register(ConfigOf("web"))).Fault);

        Assert.Equal(["passwd"], Directory.GetFileSystemEntries(Outside).Select(f => Path.GetFileName(f)));
        Assert.Empty(_machines.All);
    }

    [Fact]
    public async Task ALinkedCloneWhoseDirectoryWasMovedKeepsItsSource()
    {
        Write("source");
        var source = _registration.Register(ConfigOf("source")).Machine;
        Write("web", backing: "../source/source.qcow2");
        var clone = _registration.Register(ConfigOf("web")).Machine;
        await _registration.UnregisterAsync(_machines.Find(clone.Id), Cancellation);
        Directory.Move(Path.Combine(Storage, "web"), Path.Combine(Storage, "moved"));

        _registration.Register(new DatastorePath(Datastore, "moved/web.vmx"));

        var refused = await Assert.ThrowsAsync<FaultException>(() => new Destruction(_machines, _ground).DestroyAsync(_machines.Find(source.Id), powerOff: false, Cancellation));
        Assert.Contains("'web'", Assert.IsType<ObjectInUse>(refused.Fault).By, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AMachineThatWasMadeAndNotRegisteredByAnAgentThatWasKilledIsRegisteredWhenItIsAskedForAgain()
    {
        var spec = Write("web");
        var create = new CreateMachine(ConfigOf("web"), spec);

        Assert.Equal(spec, (await _registration.CreateAsync(create, Cancellation)).Machine.Spec);

        var other = create with { Spec = spec with { Uuid = Guid.NewGuid() } };
        Assert.IsType<FileExists>((await Assert.ThrowsAsync<FaultException>(() => _registration.CreateAsync(other, Cancellation))).Fault);
        Assert.Equal(spec.Id, Assert.Single(_machines.All).Id);
    }

    [Fact]
    public async Task ACloneThatWasMadeAndNotRegisteredByAnAgentThatWasKilledIsNotMadeTwice()
    {
        var spec = Write("web");
        var clones = new CloneTable(new CloneGround(_machines, _ground, _registration, null!, null!, _leftovers, Making));
        Write("source");
        var command = new CloneMachine(ConfigOf("source"), ConfigOf("web"), spec, CloneKind.Full, Customization: null);

        Assert.Equal(spec, (await clones.CloneAsync(command, progress: null, Cancellation)).Machine.Spec);

        var other = command with { Spec = spec with { Uuid = Guid.NewGuid() } };
        Assert.IsType<FileExists>((await Assert.ThrowsAsync<FaultException>(() => clones.CloneAsync(other, progress: null, Cancellation))).Fault);
    }

    private static DatastorePath ConfigOf(string name) => new(Datastore, $"{name}/{name}.vmx");

    /// <summary>Writes a machine's files as somebody does who copies them there.</summary>
    private MachineSpec Write(string name, string? backing = null)
    {
        var spec = new MachineSpec { Uuid = Guid.NewGuid(), Name = name, Cpus = 1, Memory = Bytes.FromMib(64), Disks = [new DiskSpec($"{name}.qcow2", Bytes.FromMib(1))] };
        Directory.CreateDirectory(Path.Combine(Storage, name));
        File.WriteAllBytes(Path.Combine(Storage, name, $"{name}.vmx"), VmxFile.Write(spec));
        File.WriteAllBytes(Path.Combine(Storage, name, $"{name}.qcow2"), DiskFileTests.Header(backing, backing is null ? null : "qcow2"));
        return spec;
    }
}
