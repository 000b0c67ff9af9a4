using Alveare.Kvm.Files;
using Alveare.Kvm.Locks;
using Alveare.Kvm.Machines;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

/// <summary>What is left of a machine that was destroyed.</summary>
public sealed class DestructionTests : IAsyncLifetime
{
    private static readonly EntityId Datastore = EntityId.Datastore(new Guid(1, 0, 0, [0, 0, 0, 0, 0, 0, 0, 1]));

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-destroy-").FullName;
    private readonly MachineTable _machines;
    private readonly DatastoreTable _datastores = new("h1", TimeProvider.System, _ => { });
    private readonly Ground _ground;

    public DestructionTests()
    {
        _machines = new MachineTable(BareHost.NewState(), new Registry(Path.Combine(_directory, "state")));
        _ground = new Ground(EntityId.Host(Guid.NewGuid()), "h1", _datastores);
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
    public async Task WhatAKilledAgentLeftBesideItsFilesGoesWithTheMachine()
    {
        var machine = Register("web");
        foreach (var whole in (string[])["web.vmx", "web.nvram", "web.lock"])
            File.WriteAllText(WholeFile.NewBeside(Path.Combine(Storage, "web", whole)), "cut off");

        await DestroyAsync(machine);

        Assert.False(Directory.Exists(Path.Combine(Storage, "web")));
    }

    [Fact]
    public async Task WhatIsNotTheMachinesStays()
    {
        var machine = Register("web");
        string[] others = [".profile", $".notes.{Guid.NewGuid():N}", ".web.vmx.old", "other.vmx"];
        foreach (var file in others)
            File.WriteAllText(Path.Combine(Storage, "web", file), "");

        await DestroyAsync(machine);

        Assert.Equal(others.Order(), Names("web"));
    }

    [Fact]
    public async Task AMachineThatIsInTheDirectoryWhereClonesAreEnteredStays()
    {
        var root = Register("old", directory: "");
        Register("web", directory: "clones");
        File.WriteAllText(Path.Combine(Storage, "clones", "notes.json"), "{}");

        await DestroyAsync(root);

        Assert.Equal(["clones"], Directory.GetFileSystemEntries(Storage).Select(f => Path.GetFileName(f)).Where(f => f[0] != '.'));
        Assert.Equal(["notes.json", "web.raw", "web.vmx"], Names("clones"));
    }

    [Fact]
    public async Task WhatClonesThatWereCutOffHaveEnteredGoesWithTheMachine()
    {
        var machine = Register("web");
        var entries = Directory.CreateDirectory(Path.Combine(Storage, "web", "clones")).FullName;
        File.WriteAllText(Path.Combine(entries, $".{Guid.NewGuid():N}"), "");
        new DiskUsers(Path.Combine(Storage, "web")).Restore(new DiskUser(Guid.NewGuid(), "gone", [new StandingDisk("web.raw", "../gone/gone.qcow2")]));

        await DestroyAsync(machine);

        Assert.False(Directory.Exists(Path.Combine(Storage, "web")));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"disks\":")]
    public async Task AnEntryThatCannotBeReadStandsForAClone(string entry)
    {
        var machine = Register("web");
        var entries = Directory.CreateDirectory(Path.Combine(Storage, "web", "clones")).FullName;
        var file = Path.Combine(entries, $"{Guid.NewGuid():N}.json");
        File.WriteAllText(file, entry);

        var refused = await Assert.ThrowsAsync<FaultException>(() => DestroyAsync(machine));

        Assert.Contains(Path.GetFileName(file), refused.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(Storage, "web", "web.raw")));
    }

    [Fact]
    public async Task ADiskThatAnotherProcessHasOpenIsNotDeleted()
    {
        var machine = Register("web");
        var disk = Path.Combine(Storage, "web", "web.raw");
        await using var user = new FileStream(disk, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        // As QEMU does.
        user.Lock(100, 1);

        var refused = await Assert.ThrowsAsync<FaultException>(() => DestroyAsync(machine));

        Assert.Equal(disk, Assert.IsType<FileLocked>(refused.Fault).Path);
        Assert.True(File.Exists(disk));
        Assert.Null(_ground.ReadLock(machine.Current.Config).Owner);
        Assert.Same(machine, _machines.Find(machine.Id));
        // The kernel lets go of it when the process closes the file that it looked at.
        await DestroyAsync(machine);
        Assert.False(Directory.Exists(Path.Combine(Storage, "web")));
    }

    [Fact]
    public async Task AFileThatAnotherMachineOfTheDirectoryNamesStays()
    {
        var machine = Register("web");
        var spec = machine.Current.Spec! with { Uuid = Guid.NewGuid(), Name = "copy", Disks = [.. machine.Current.Spec!.Disks, new DiskSpec("copy.raw", Bytes.FromMib(1), DiskFormat.Raw)] };
        File.WriteAllBytes(Path.Combine(Storage, "web", "copy.raw"), new byte[512]);
        File.WriteAllBytes(Path.Combine(Storage, "web", "copy.vmx"), VmxFile.Write(spec));

        await DestroyAsync(new Listing(_machines, _ground).Add(machine.Current.Config.Sibling("copy.vmx")));

        Assert.Equal(["web.raw", "web.vmx"], Names("web"));
    }

    private Task DestroyAsync(Machine machine) =>
        new Destruction(_machines, _ground).DestroyAsync(machine, powerOff: false, TestContext.Current.CancellationToken);

    private IEnumerable<string> Names(string directory) => Directory.GetFiles(Path.Combine(Storage, directory)).Select(f => Path.GetFileName(f)).Order();

    private Machine Register(string name, string? directory = null)
    {
        var spec = new MachineSpec { Uuid = Guid.NewGuid(), Name = name, Cpus = 1, Memory = Bytes.FromMib(64), Disks = [new DiskSpec($"{name}.raw", Bytes.FromMib(1), DiskFormat.Raw)] };
        var place = Path.Combine(directory ?? name, name);
        Directory.CreateDirectory(Path.Combine(Storage, directory ?? name));
        File.WriteAllBytes(Path.Combine(Storage, $"{place}.vmx"), VmxFile.Write(spec));
        File.WriteAllBytes(Path.Combine(Storage, $"{place}.raw"), new byte[512]);
        return new Listing(_machines, _ground).Add(new DatastorePath(Datastore, $"{place}.vmx"));
    }
}
