using Alveare.Kvm.Machines;
using Alveare.Model;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Machines;

public sealed class RegistryTests : IDisposable
{
    private static readonly EntityId Id = EntityId.Vm(Guid.NewGuid());
    private static readonly DatastorePath Config = new(EntityId.Datastore(Guid.NewGuid()), "web/web.vmx");

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-registry-").FullName;

    private string Machines => Path.Combine(_directory, "machines");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void AnExpectedMachineIsNoRegisteredOneAndIsRememberedAsExpected()
    {
        new Registry(_directory).Expect(Id, Config);

        var next = new Registry(_directory);

        Assert.False(next.Knows(Id));
        Assert.Empty(next.Machines);
        Assert.Equal(new RegisteredMachine(Id, Config), Assert.Single(next.Expected));
    }

    [Fact]
    public void AnExpectedMachineIsAddedWithoutAnotherFileBeingWritten()
    {
        var registry = new Registry(_directory);
        registry.Expect(Id, Config);
        var written = File.GetLastWriteTimeUtc(Assert.Single(Directory.GetFiles(Machines)));

        registry.Add(Id, Config);

        Assert.Equal(written, File.GetLastWriteTimeUtc(Assert.Single(Directory.GetFiles(Machines))));
        Assert.Equal(new RegisteredMachine(Id, Config), Assert.Single(new Registry(_directory).Machines));
        Assert.Empty(registry.Expected);
    }

    [Fact]
    public void AMachineThatIsExpectedNoMoreLeavesNothingAndOneThatIsRegisteredStaysSo()
    {
        var registry = new Registry(_directory);
        registry.Expect(Id, Config);
        registry.ExpectNoMore(Id);
        Assert.Empty(Directory.GetFiles(Machines));

        registry.Add(Id, Config);
        registry.Expect(Id, Config);
        registry.ExpectNoMore(Id);

        Assert.True(new Registry(_directory).Knows(Id));
    }
}
