using Alveare.Kvm.Files;
using Alveare.Kvm.Machines;
using Alveare.Model;
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

        await new Destruction(_machines, _ground).DestroyAsync(machine, powerOff: false, TestContext.Current.CancellationToken);

        Assert.False(Directory.Exists(Path.Combine(Storage, "web")));
    }

    [Fact]
    public async Task WhatIsNotTheMachinesStays()
    {
        var machine = Register("web");
        string[] others = [".profile", $".notes.{Guid.NewGuid():N}", ".web.vmx.old", "other.vmx"];
        foreach (var file in others)
            File.WriteAllText(Path.Combine(Storage, "web", file), "");

        await new Destruction(_machines, _ground).DestroyAsync(machine, powerOff: false, TestContext.Current.CancellationToken);

        Assert.Equal(others.Order(), Directory.GetFiles(Path.Combine(Storage, "web")).Select(f => Path.GetFileName(f)).Order());
    }

    private Machine Register(string name)
    {
        var spec = new MachineSpec { Uuid = Guid.NewGuid(), Name = name, Cpus = 1, Memory = Bytes.FromMib(64), Disks = [new DiskSpec($"{name}.raw", Bytes.FromMib(1), DiskFormat.Raw)] };
        Directory.CreateDirectory(Path.Combine(Storage, name));
        File.WriteAllBytes(Path.Combine(Storage, name, $"{name}.vmx"), VmxFile.Write(spec));
        File.WriteAllBytes(Path.Combine(Storage, name, $"{name}.raw"), new byte[512]);
        return new Listing(_machines, _ground).Add(new DatastorePath(Datastore, $"{name}/{name}.vmx"));
    }
}
