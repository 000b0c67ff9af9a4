using System.Text;
using Alveare.Kvm.Files;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Xunit;

namespace Alveare.Tests.Kvm.Files;

public sealed class DatastoreRootTests : IDisposable
{
    private static readonly EntityId Id = EntityId.Datastore(new Guid(1, 0, 0, [0, 0, 0, 0, 0, 0, 0, 1]));
    private static readonly EntityId Other = EntityId.Datastore(new Guid(2, 0, 0, [0, 0, 0, 0, 0, 0, 0, 2]));

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-ds-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string Storage => Path.Combine(_directory, "storage");

    private string Marker => Path.Combine(Storage, DatastoreRoot.Marker);

    private DatastoreRoot Claimed()
    {
        Directory.CreateDirectory(Storage);
        var root = Root(Id);
        root.Claim(mayMark: true);
        return root;
    }

    private DatastoreRoot Root(EntityId id) => new(new MountDatastore(id, "shared", Storage), "h1");

    [Fact]
    public void AFreshDirectoryIsMarkedAndAnotherHostFindsTheMark()
    {
        Claimed();
        Assert.Equal($"{Id}\n", File.ReadAllText(Marker));
        Assert.Equal([Marker], Directory.GetFileSystemEntries(Storage));

        Root(Id).Claim(mayMark: true);
        Assert.Equal($"{Id}\n", File.ReadAllText(Marker));
    }

    [Fact]
    public void AnotherDatastoresDirectoryIsRefusedAndItsMarkStays()
    {
        Claimed();
        Assert.Equal(Id, Refusal<DatastoreIsAnother>(() => Root(Other).Claim(mayMark: true)).Actual);
        Assert.Equal($"{Id}\n", File.ReadAllText(Marker));
    }

    [Fact]
    public async Task OfManyHostsThatMarkAtOnceOneWinsAndTheOthersAreRefused()
    {
        Directory.CreateDirectory(Storage);
        var ids = Enumerable.Range(1, 8).Select(n => EntityId.Datastore(new Guid(n, 0, 0, new byte[8]))).ToList();
        var won = await Task.WhenAll(ids.Select(id => Task.Run(() => Root(id).Claims())));
        var winner = Assert.Single(ids, id => $"{id}\n" == File.ReadAllText(Marker));
        Assert.Equal(winner, ids[Assert.Single(Enumerable.Range(0, 8), n => won[n])]);
    }

    [Fact]
    public void ADirectoryThatIsMissingOrLostItsMarkIsAProblem()
    {
        Assert.Contains("does not exist", Refusal<DatastoreNotAccessible>(() => Root(Id).Claim(mayMark: true)).Reason);
        var root = Claimed();
        Assert.Null(root.FindProblem());

        File.Delete(Marker);

        Assert.Contains("the storage is not mounted there", root.FindProblem());
        Refusal<DatastoreNotAccessible>(() => root.PathOf("a/a.vmx"));
        Refusal<DatastoreNotAccessible>(() => root.Claim(mayMark: false));
        Assert.False(File.Exists(Marker));
        Directory.Delete(Storage);
        Assert.Contains("not mounted", root.FindProblem());
    }

    [Theory]
    [InlineData("../secret")]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../secret")]
    [InlineData("a//b")]
    [InlineData("")]
    public void APathThatIsNotPlainAndRelativeIsRefused(string path) => Refusal<InvalidPath>(() => Claimed().PathOf(path));

    [Fact]
    public void APathNeedNotExist()
    {
        var root = Claimed();
        Assert.Equal(Path.Combine(Storage, "a/b/c.vmx"), root.PathOf("a/b/c.vmx"));
        Assert.Null(root.TryOpenRead("a/b/c.vmx"));
    }

    [Theory]
    [InlineData("out/secret")]
    [InlineData("out/new")]
    [InlineData("out/new/deep")]
    [InlineData("link")]
    [InlineData("dangling")]
    [InlineData("inside/a.txt")]
    public void ASymbolicLinkAnywhereOnTheWayIsRefused(string path)
    {
        var root = Claimed();
        var outside = Directory.CreateDirectory(Path.Combine(_directory, "outside")).FullName;
        File.WriteAllText(Path.Combine(outside, "secret"), "s");
        Directory.CreateDirectory(Path.Combine(Storage, "real"));
        File.WriteAllText(Path.Combine(Storage, "real/a.txt"), "a");
        File.CreateSymbolicLink(Path.Combine(Storage, "out"), outside);
        File.CreateSymbolicLink(Path.Combine(Storage, "link"), Path.Combine(outside, "secret"));
        File.CreateSymbolicLink(Path.Combine(Storage, "dangling"), "/nowhere/at/all");
        File.CreateSymbolicLink(Path.Combine(Storage, "inside"), "real");

        Assert.Contains("symbolic link", Refusal<InvalidPath>(() => root.PathOf(path)).Reason);
        Refusal<InvalidPath>(() => root.TryOpenRead(path)?.Dispose());
        Refusal<InvalidPath>(() => root.Give(path, 0, 0));
    }

    [Fact]
    public void ALinkThatIsSwappedInAfterwardsIsRefusedAndNothingBehindItIsTouched()
    {
        var root = Claimed();
        Directory.CreateDirectory(Path.Combine(Storage, "a"));
        root.Replace("a/a.vmx", "one"u8.ToArray());
        var outside = Directory.CreateDirectory(Path.Combine(_directory, "outside")).FullName;
        Directory.Delete(Path.Combine(Storage, "a"), recursive: true);
        File.CreateSymbolicLink(Path.Combine(Storage, "a"), outside);

        Refusal<InvalidPath>(() => root.Replace("a/a.vmx", "two"u8.ToArray()));
        Refusal<InvalidPath>(() => root.PathOf("a/a.vmx"));
        Assert.Empty(Directory.GetFileSystemEntries(outside));
    }

    [Fact]
    public void AFileIsReplacedAsAWholeAndALinkInItsPlaceIsNotFollowed()
    {
        var root = Claimed();
        root.Replace("a.vmx", "one"u8.ToArray());
        root.Replace("a.vmx", "two"u8.ToArray());
        using (var file = new StreamReader(root.TryOpenRead("a.vmx")!))
            Assert.Equal("two", file.ReadToEnd());
        var target = Path.Combine(_directory, "target");
        File.WriteAllText(target, "mine");
        File.Delete(Path.Combine(Storage, "a.vmx"));
        File.CreateSymbolicLink(Path.Combine(Storage, "a.vmx"), target);

        root.Replace("a.vmx", "three"u8.ToArray());

        Assert.Equal("mine", File.ReadAllText(target));
        Assert.Equal("three", File.ReadAllText(Path.Combine(Storage, "a.vmx"), Encoding.UTF8));
        Assert.Equal(2, Directory.GetFileSystemEntries(Storage).Length);
    }

    [Fact]
    public void ADirectoryInAFilesPlaceIsNoFile()
    {
        var root = Claimed();
        Directory.CreateDirectory(Path.Combine(Storage, "a.vmx"));
        Assert.Contains("not a regular file", Refusal<InvalidPath>(() => root.TryOpenRead("a.vmx")).Reason);
        File.WriteAllText(Path.Combine(Storage, "f"), "");
        Assert.Contains("where a directory is expected", Refusal<InvalidPath>(() => root.PathOf("f/a.vmx")).Reason);
    }

    private static T Refusal<T>(Action action)
        where T : Fault => Assert.IsType<T>(Assert.Throws<FaultException>(action).Fault);
}

internal static class DatastoreRootClaim
{
    public static bool Claims(this DatastoreRoot root)
    {
        try
        {
            root.Claim(mayMark: true);
            return true;
        }
        catch (FaultException)
        {
            return false;
        }
    }
}
