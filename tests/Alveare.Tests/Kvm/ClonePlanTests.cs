using Alveare.Kvm.Clones;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm;

public sealed class ClonePlanTests
{
    private static readonly EntityId Datastore = EntityId.Datastore(Guid.NewGuid());

    private static readonly MachineSpec Source = new()
    {
        Uuid = Guid.NewGuid(), Name = "source", Cpus = 1, Memory = Bytes.FromMib(64),
        Disks = [new DiskSpec("odd name.img", Bytes.FromMib(10), DiskFormat.Raw), new DiskSpec("b.qcow2", Bytes.FromMib(20))],
    };

    [Fact]
    public void DisksAreNamedAfterTheTargetAndFurtherOnesAreEmpty()
    {
        var plan = ClonePlan.Make(Command(CloneKind.Full, Bytes.FromMib(10), Bytes.FromMib(40), Bytes.FromMib(1)), Source);

        Assert.Equal(["web.qcow2", "web-1.qcow2", "web-2.qcow2"], plan.Spec.Disks.Select(d => d.File));
        Assert.Equal([Source.Disks[0], Source.Disks[1], null], plan.Disks.Select(d => d.Source));
    }

    [Fact]
    public void ACloneHasAllDisksOfItsSourceAndNoneIsSmaller()
    {
        Assert.IsType<InvalidArgument>(Refusal(Command(CloneKind.Full, Bytes.FromMib(10))));
        Assert.IsType<InvalidArgument>(Refusal(Command(CloneKind.Full, Bytes.FromMib(10), Bytes.FromMib(19))));
    }

    [Fact]
    public void ALinkedCloneIsQcow2InTheDatastoreOfItsSource()
    {
        var command = Command(CloneKind.Linked, Bytes.FromMib(10), Bytes.FromMib(20));
        Assert.Equal(2, ClonePlan.Make(command, Source).Disks.Length);
        Assert.IsType<InvalidArgument>(Refusal(command with { Target = command.Target with { Datastore = EntityId.Datastore(Guid.NewGuid()) } }));
        var raw = command.Spec.Disks.SetItem(1, command.Spec.Disks[1] with { Format = DiskFormat.Raw });
        Assert.IsType<InvalidArgument>(Refusal(command with { Spec = command.Spec with { Disks = raw } }));
    }

    [Theory]
    [InlineData(Firmware.Bios, null)]
    [InlineData(Firmware.Uefi, "web.nvram")]
    public void AllFilesThatAreMadeForACloneAreNamed(Firmware firmware, string? variables)
    {
        var command = Command(CloneKind.Full, Bytes.FromMib(10), Bytes.FromMib(20));

        var plan = ClonePlan.Make(command with { Spec = command.Spec with { Firmware = firmware } }, Source);

        Assert.Equal(new[] { "web.qcow2", "web-1.qcow2", variables }.OfType<string>(), plan.Files);
    }

    [Fact]
    public void ACloneIsAnotherMachine()
    {
        var command = Command(CloneKind.Full, Bytes.FromMib(10), Bytes.FromMib(20));
        Assert.IsType<InvalidArgument>(Refusal(command with { Spec = command.Spec with { Uuid = Source.Uuid } }));
    }

    private static Fault Refusal(CloneMachine command) => Assert.Throws<FaultException>(() => ClonePlan.Make(command, Source)).Fault;

    private static CloneMachine Command(CloneKind kind, params Bytes[] capacities) => new(
        new DatastorePath(Datastore, "source/source.vmx"),
        new DatastorePath(Datastore, "web/web.vmx"),
        Source with { Uuid = Guid.NewGuid(), Name = "web", Disks = [.. capacities.Select(c => new DiskSpec("any", c))] },
        kind,
        Customization: null);
}
