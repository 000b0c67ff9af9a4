using Alveare.Kvm.Clones;
using Alveare.Kvm.Files;
using Alveare.Kvm.Machines;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm;

public sealed class LeftoverCloneTests : IAsyncLifetime
{
    private static readonly EntityId Datastore = EntityId.Datastore(Guid.NewGuid());

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-left-").FullName;
    private readonly DatastoreTable _datastores = new("h1", TimeProvider.System, _ => { });
    private readonly LeftoverClones _leftovers;

    public LeftoverCloneTests() =>
        _leftovers = new LeftoverClones(Records, new Ground(EntityId.Host(Guid.NewGuid()), "h1", _datastores));

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
    public void PartialFilesAreRemovedAndThoseOfAWholeCloneAreNot()
    {
        var partial = Leave("partial");
        var whole = Leave("whole");
        File.WriteAllText(Path.ChangeExtension(whole, ".vmx"), "");

        Assert.Empty(TakeBackAll());

        Assert.False(Directory.Exists(Path.GetDirectoryName(partial)));
        Assert.True(File.Exists(whole));
        Assert.Empty(Directory.GetFiles(Records));
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

    // As an agent does that starts.
    private IReadOnlyList<string> TakeBackAll() => [.. _leftovers.Find(), .. _leftovers.TakeBack(Datastore)];

    /// <summary>What an agent leaves that is killed while it copies a clone's disk; answers where the disk is.</summary>
    private string Leave(string name)
    {
        var disk = Path.Combine(Storage, name, $"{name}.raw");
        Directory.CreateDirectory(Path.GetDirectoryName(disk)!);
        File.WriteAllText(disk, "");
        // Not disposed: the agent was killed.
        _ = UnfinishedClone.Begin(Records, new UnfinishedRecord(new DatastorePath(Datastore, $"{name}/{name}.vmx"), [$"{name}.raw"]), flush: false);
        return disk;
    }
}
