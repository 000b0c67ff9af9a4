using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Planning.Migration;
using Alveare.Planning.Placement;
using Xunit;

namespace Alveare.Tests.Planning.Migration;

public sealed class MigrationPreflightTests
{
    private static readonly MachineSpec Machine = new()
    {
        Uuid = new Guid(9, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0]),
        Name = "web01",
        Cpus = 1,
        Memory = Bytes.FromGib(1),
        Disks = [new DiskSpec("web01.qcow2", Bytes.FromGib(4))],
        Nics = [new NicSpec("52:54:00:00:00:01", "blue")],
    };

    private static readonly MigrationCandidate Good = new(Machine, new DatastorePath(PlanningGen.Shared, "web01/web01.vmx"), "shared", Room(1), Room(2));

    public static TheoryData<string> Breakages => [.. Broken.Keys];

    private static Dictionary<string, (MigrationCandidate Candidate, Type Fault)> Broken => new()
    {
        ["the machine is there already"] = (Good with { Target = Good.Source }, typeof(InvalidArgument)),
        ["the source does not answer"] = (Good with { Source = Good.Source with { Problem = "it does not answer" } }, typeof(HostNotConnected)),
        ["the target does not answer"] = (Good with { Target = Good.Target with { Problem = "it does not answer" } }, typeof(HostNotConnected)),
        ["the target lacks the datastore"] = (Good with { Target = Good.Target with { Datastores = [] } }, typeof(DatastoreNotAccessible)),
        ["the target lacks the network"] = (Good with { Target = Good.Target with { PortGroups = ["red"] } }, typeof(NetworkNotAccessible)),
        ["the target lacks the memory"] = (Good with { Target = Good.Target with { MemoryPromised = Bytes.FromGib(8) } }, typeof(InsufficientMemory)),
        ["the target lacks a feature of the model"] = (Good with { Machine = Machine with { CpuModel = "Haswell" } }, typeof(CpuIncompatible)),
        ["the guest was shown the source's own CPU"] =
            (Good with { Machine = Machine with { CpuModel = "host" }, Source = Good.Source with { CpuFeatures = ["avx"] } }, typeof(CpuIncompatible)),
        ["the accelerators differ"] = (Good with { Target = Good.Target with { Accelerator = Accelerator.Emulation } }, typeof(CpuIncompatible)),
        ["a disk is outside"] =
            (Good with { Machine = Machine with { Disks = [new DiskSpec("../other/x.qcow2", Bytes.FromGib(1))] } }, typeof(DeviceNotMovable)),
    };

    [Fact]
    public void AMigrationWithNothingAgainstItMayStart() => Assert.Empty(MigrationPreflight.Check(Good));

    [Theory]
    [MemberData(nameof(Breakages))]
    public void EachReasonHasItsOwnFaultAndIsTheOnlyOneNamed(string breakage)
    {
        var (candidate, fault) = Broken[breakage];
        Assert.Equal(fault, Assert.Single(MigrationPreflight.Check(candidate)).GetType());
    }

    private static HostRoom Room(int number) => new()
    {
        Id = EntityId.Host(new Guid(number, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0])),
        Name = $"h{number}",
        Accelerator = Accelerator.Kvm,
        MemoryForGuests = Bytes.FromGib(8),
        CpuCapacity = new Megahertz(8000),
        CpuFeatures = ["pni"],
        Datastores = [new HostDatastore { Id = PlanningGen.Shared, Name = "shared", Path = "/srv/shared" }],
        PortGroups = ["blue"],
    };
}
