using Alveare.Kvm.Files;
using Alveare.Kvm.Machines;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

public sealed class LeftoverFilesTests : IAsyncLifetime
{
    private static readonly EntityId Datastore = EntityId.Datastore(Guid.NewGuid());

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-left-").FullName;
    private readonly DatastoreTable _datastores = new("h1", TimeProvider.System, _ => { });
    private readonly Ground _ground;
    private readonly LeftoverFiles _leftovers;

    public LeftoverFilesTests()
    {
        _ground = new Ground(EntityId.Host(Guid.NewGuid()), "h1", _datastores);
        _leftovers = new LeftoverFiles(Records, _ground);
    }

    private string Records => Path.Combine(_directory, "clones");

    private string Storage => Path.Combine(_directory, "ds");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Storage);
        await _datastores.MountAsync(new MountDatastore(Datastore, "shared", Storage, Mark: true));
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void FilesThatNoConfigurationNamesAreRemoved()
    {
        var partial = Leave("partial");
        var unreadable = Leave("unreadable");
        File.WriteAllText(Path.ChangeExtension(unreadable, ".vmx"), "");
        Directory.CreateDirectory(Path.Combine(Storage, "whole"));
        Describe("whole");
        var (named, notNamed) = (Leave("whole"), Leave("whole", "whole-1.raw"));

        Assert.Empty(TakeBackAll());

        Assert.False(Directory.Exists(Path.GetDirectoryName(partial)));
        Assert.True(File.Exists(unreadable));
        Assert.True(File.Exists(named));
        Assert.False(File.Exists(notNamed));
        Assert.Empty(Directory.GetFiles(Records));
    }

    [Fact]
    public void OfAMachineThatWasFinishedNothingIsRemovedThatItDoesNotNameAnyMore()
    {
        // A record whose removal was lost with the host's power.
        var disk = Leave("web", "web-1.raw");
        Describe("web");

        Assert.Empty(TakeBackAll());

        Assert.True(File.Exists(disk));
        Assert.Empty(Directory.GetFiles(Records));
    }

    [Fact]
    public void WhatWasBeingWrittenBesideAFileIsRemovedWithIt()
    {
        var seed = Leave("web", "web-seed.img");
        File.Delete(seed);
        foreach (var whole in (string[])["web-seed.img", "web.vmx"])
            File.WriteAllText(WholeFile.NewBeside(Path.Combine(Storage, "web", whole)), "password");

        Assert.Empty(TakeBackAll());

        Assert.False(Directory.Exists(Path.GetDirectoryName(seed)));
    }

    [Fact]
    public void AGuestsSecretsThatWereBeingWrittenAreRemoved()
    {
        Directory.CreateDirectory(Records);
        File.WriteAllText(Path.Combine(Records, $"seed-{Guid.NewGuid():N}.img"), "password");

        Assert.Empty(_leftovers.Find());

        Assert.Empty(Directory.GetFiles(Records));
    }

    [Fact]
    public void WhatIsInADatastoreThatIsAwayWaitsForIt()
    {
        var partial = Leave("partial");
        Directory.Move(Storage, Storage + ".away");
        // As the empty mount point.
        Directory.CreateDirectory(Storage);
        Assert.Throws<FaultException>(TakeBackAll);
        Assert.Single(Directory.GetFiles(Records));
        Directory.Delete(Storage);
        Directory.Move(Storage + ".away", Storage);

        _leftovers.TakeBack(Datastore);

        Assert.False(Directory.Exists(Path.GetDirectoryName(partial)));
        Assert.Empty(Directory.GetFiles(Records));
    }

    [Fact]
    public void WhatCannotBeRemovedIsSaidAndKeepsNothingElse()
    {
        // A link in a file's place, and a record that went with the host's power.
        var stuck = Leave("stuck");
        File.Delete(stuck);
        Directory.CreateSymbolicLink(stuck, _directory);
        File.WriteAllText(Path.Combine(Records, "broken.json"), "");
        var partial = Leave("partial");

        var said = TakeBackAll();

        Assert.Contains(said, s => s.Contains("symbolic link", StringComparison.Ordinal));
        Assert.Contains(said, s => s.Contains("broken.json", StringComparison.Ordinal));
        Assert.Equal(2, said.Count);
        Assert.False(File.Exists(partial));
        // The next agent tries it again, and not this one: by then somebody may have made the clone anew.
        Assert.Single(Directory.GetFiles(Records));
        File.Delete(stuck);
        File.WriteAllText(stuck, "");
        _leftovers.TakeBack(Datastore);
        Assert.True(File.Exists(stuck));
    }

    [Fact]
    public async Task WhatIsLeftIsRemovedBeforeItsMachineIsMadeAgainAndStaysOutOfWhatIsMadeThen()
    {
        var left = Leave("web");
        _leftovers.Find();
        using var machines = new MachineTable(BareHost.NewState(), new Registry(Path.Combine(_directory, "state")));
        var spec = new MachineSpec { Uuid = Guid.NewGuid(), Name = "web", Cpus = 1, Memory = Bytes.FromMib(64) };

        await new Registration(machines, _ground, null!, new Listing(machines, _ground), _leftovers)
            .CreateAsync(new CreateMachine(ConfigOf("web"), spec), TestContext.Current.CancellationToken);

        Assert.False(File.Exists(left));
        Assert.Empty(Directory.GetFiles(Records));
        File.WriteAllText(left, "");
        Assert.Empty(TakeBackAll());
        Assert.True(File.Exists(left));
    }

    [Fact]
    public void AFileThatWasThereBeforeIsNotOneThatIsMade()
    {
        var there = Leave("web");
        File.Delete(Assert.Single(Directory.GetFiles(Records)));
        _ = Remember("web", "web.raw");

        Assert.Empty(TakeBackAll());

        Assert.True(File.Exists(there));
    }

    private static DatastorePath ConfigOf(string name) => new(Datastore, $"{name}/{name}.vmx");

    // As an agent does that starts.
    private IReadOnlyList<string> TakeBackAll() => [.. _leftovers.Find(), .. _leftovers.TakeBack(Datastore)];

    /// <summary>What an agent leaves that is killed while it makes a disk; answers where the disk is.</summary>
    private string Leave(string name, string? file = null)
    {
        var disk = Path.Combine(Storage, name, file ?? $"{name}.raw");
        _ = Remember(name, Path.GetFileName(disk));
        Directory.CreateDirectory(Path.GetDirectoryName(disk)!);
        File.WriteAllText(disk, "");
        return disk;
    }

    // By another agent, and not disposed: that one was killed.
    private IDisposable Remember(string name, string file) => new LeftoverFiles(Records, _ground).Begin(ConfigOf(name), [file], flush: false);

    private void Describe(string name) => _ground.WriteSpec(ConfigOf(name), new MachineSpec
    {
        Uuid = Guid.NewGuid(), Name = name, Cpus = 1, Memory = Bytes.FromMib(64), Disks = [new DiskSpec($"{name}.raw", Bytes.FromMib(1), DiskFormat.Raw)],
    });
}
