using System.Text.Json;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Events;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Alveare.Model.Statistics;
using Alveare.Model.Tasks;
using Alveare.Wire.Rest;
using Xunit;

namespace Alveare.Tests.Api;

/// <summary>Clients read the model's records by names of their own: the two must not drift apart.</summary>
public sealed class RecordShapeTests
{
    public static TheoryData<Type, Type> Pairs => new()
    {
        { typeof(VmDto), typeof(VirtualMachine) },
        { typeof(DatastorePathDto), typeof(DatastorePath) },
        { typeof(MachineSpecDto), typeof(MachineSpec) },
        { typeof(DiskDto), typeof(DiskSpec) },
        { typeof(NicDto), typeof(NicSpec) },
        { typeof(GuestDto), typeof(GuestFacts) },
        { typeof(HostDto), typeof(Host) },
        { typeof(HostFactsDto), typeof(HostFacts) },
        { typeof(HostDatastoreDto), typeof(HostDatastore) },
        { typeof(DatastoreDto), typeof(Datastore) },
        { typeof(PortGroupDto), typeof(PortGroup) },
        { typeof(TaskDto), typeof(TaskRecord) },
        { typeof(MigrationProgressDto), typeof(MigrationProgress) },
        { typeof(MigrationFiguresDto), typeof(MigrationFigures) },
        { typeof(EventDto), typeof(EventRecord) },
        { typeof(MachineSampleDto), typeof(MachineSample) },
        { typeof(HostSampleDto), typeof(HostSample) },
        { typeof(RecommendationDto), typeof(Recommendation) },
    };

    [Theory]
    [MemberData(nameof(Pairs))]
    public void AClientReadsOnlyWhatTheServerWrites(Type dto, Type record)
    {
        var written = ModelJson.Options.GetTypeInfo(record).Properties.Where(p => p.Get is not null).Select(p => p.Name).Append("kind");
        var read = JsonSerializerOptions.Web.GetTypeInfo(dto).Properties.Select(p => p.Name);
        Assert.Empty(read.Except(written));
    }

    [Fact]
    public void AFaultCarriesItsSentenceForClientsThatDoNotKnowIt()
    {
        var read = JsonSerializer.Deserialize<FaultDto>(ModelJson.Write<Fault>(new FileExists("a/b")), JsonSerializerOptions.Web)!;
        Assert.Equal(new FaultDto("FileExists", new FileExists("a/b").Message), read);
    }

    [Fact]
    public void ATaskIsReadWithEverythingInIt()
    {
        var task = new TaskRecord
        {
            Id = "task-1", Operation = "vm.migrate", Target = EntityId.Vm(Guid.Empty), TargetName = "web01", User = "anna", State = TaskState.Failed,
            QueuedAt = DateTimeOffset.UnixEpoch, Fault = new FileExists("a"),
            Migration = new MigrationProgress(MigrationPhase.Transfer, new Bytes(3), new Bytes(1), new Bytes(2), 5.5, 1.5),
            Figures = new MigrationFigures(TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(50), new Bytes(7), 2.5),
        };
        var read = JsonSerializer.Deserialize(ModelJson.Write(task), RestJson.Contract<TaskDto>())!;
        Assert.Equal(("failed", true, "transfer", 2L), (read.State, read.HasEnded, read.Migration!.Phase, read.Migration.Remaining));
        Assert.Equal((TimeSpan.FromMilliseconds(50), 2.5), (read.Figures!.Pause, read.Figures.DirtyBytesPerSecond));
    }
}
