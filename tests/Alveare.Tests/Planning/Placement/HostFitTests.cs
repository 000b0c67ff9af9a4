using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Planning.Placement;
using Xunit;

namespace Alveare.Tests.Planning.Placement;

public sealed class HostFitTests
{
    private static readonly MachineNeeds Needs = new("web01", Bytes.FromGib(2), PlanningGen.Shared, "shared", ["blue"], ["sse4.2", "pni"]);

    private static readonly HostRoom Room = new()
    {
        Id = EntityId.Host(new Guid(7, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0])),
        Name = "h7",
        CpuFeatures = ["sse4_2", "sse3"],
        MemoryForGuests = Bytes.FromGib(4),
        MemoryPromised = Bytes.FromGib(2),
        CpuCapacity = new Megahertz(4000),
        Datastores = [new HostDatastore { Id = PlanningGen.Shared, Name = "shared", Path = "/srv/shared" }],
        PortGroups = ["blue"],
    };

    [Fact]
    public void AHostThatOffersExactlyEnoughFitsWhateverTheSpellingOfItsCpuFeatures() => Assert.Empty(HostFit.Check(Needs, Room));

    [Fact]
    public void OneByteTooLittleMemoryIsSaidWithBothNumbers()
    {
        var room = Room with { MemoryPromised = Room.MemoryPromised + new Bytes(1) };
        var fault = Assert.IsType<InsufficientMemory>(Assert.Single(HostFit.Check(Needs, room)));
        Assert.Equal((Needs.Memory, Room.MemoryFree - new Bytes(1)), (fault.Needed, fault.Free));
    }

    [Fact]
    public void AnOvercommittedHostHasNoMemoryLeftRatherThanLessThanNone() =>
        Assert.Equal(Bytes.Zero, (Room with { MemoryPromised = Bytes.FromGib(9) }).MemoryFree);

    [Fact]
    public void EveryBrokenRuleIsNamed()
    {
        var room = Room with { CpuFeatures = [], Datastores = [], PortGroups = ["red"], MemoryForGuests = Bytes.Zero };
        Assert.Equal(
            [typeof(CpuIncompatible), typeof(DatastoreNotAccessible), typeof(NetworkNotAccessible), typeof(InsufficientMemory)],
            HostFit.Check(Needs, room).Select(f => f.GetType()));
    }

    [Fact]
    public void OfAHostThatDoesNotAnswerOnlyThatIsSaid()
    {
        var room = Room with { Problem = "it does not answer", PortGroups = [] };
        Assert.IsType<HostNotConnected>(Assert.Single(HostFit.Check(Needs, room)));
    }

    [Fact]
    public void WhatIsClonedMustBeSeenToo()
    {
        var other = EntityId.Datastore(new Guid(5, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]));
        var needs = Needs with { Source = new NamedDatastore(other, "templates") };
        Assert.Equal("templates", Assert.IsType<DatastoreNotAccessible>(Assert.Single(HostFit.Check(needs, Room))).Datastore);
        Assert.Empty(HostFit.Check(Needs with { Source = new NamedDatastore(PlanningGen.Shared, "shared") }, Room));
    }

    [Fact]
    public void ADatastoreInTroubleIsRefusedWithItsTrouble()
    {
        var room = Room with { Datastores = [Room.Datastores[0] with { Problem = "the mount is stale" }] };
        Assert.Equal("the mount is stale", Assert.IsType<DatastoreNotAccessible>(Assert.Single(HostFit.Check(Needs, room))).Reason);
    }

    [Theory]
    [InlineData("Haswell", "avx2")]
    [InlineData("nehalem", "ssse3")]
    [InlineData("x86-64-v4", "avx512f")]
    public void ANamedCpuModelNeedsItsFeatures(string model, string feature) => Assert.Contains(feature, CpuModels.FeaturesOf(model));

    [Theory]
    [InlineData(null)]
    [InlineData("host")]
    [InlineData("qemu64")]
    public void ThePortableAndTheHostsOwnModelNeedNothingToStart(string? model) => Assert.Empty(CpuModels.FeaturesOf(model));
}
