using Alveare.Core.Migration;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Core.Migration;

/// <summary>What both ends of a migration say, and where the machine is by that.</summary>
public sealed class WhereaboutsTests
{
    private static readonly Guid Migration = new(1, 0, 0, new byte[8]);

    private static readonly Sighting Away = new(false, null);
    private static readonly Sighting Absent = new(true, null);
    private static readonly Sighting Off = Seen(PowerState.Off, 4);
    private static readonly Sighting Sending = Seen(PowerState.On, 3, MigrationRole.Source, MigrationPhase.Transfer);
    private static readonly Sighting Standing = Seen(PowerState.Paused, 3, MigrationRole.Source, MigrationPhase.Switch);
    private static readonly Sighting Stayed = Seen(PowerState.On, 4);
    private static readonly Sighting Waiting = Seen(PowerState.Off, 3, MigrationRole.Destination, MigrationPhase.Transfer);
    private static readonly Sighting Arrived = Seen(PowerState.On, 4);

    [Fact]
    public void OneHostsWordIsEnoughWhereItCanBe()
    {
        Assert.Equal(Whereabouts.OnTarget, Read(Away, Arrived));
        Assert.Equal(Whereabouts.OnSource, Read(Stayed, Away));
        Assert.Equal(Whereabouts.Off, Read(Off, Away));
        Assert.Equal(Whereabouts.Off, Read(Away, Off));
    }

    [Fact]
    public void AHostThatIsAwayIsNamed()
    {
        Assert.Equal(Whereabouts.SourceAway, Read(Away, Absent));
        Assert.Equal(Whereabouts.TargetAway, Read(Absent, Away));
        Assert.Equal(Whereabouts.BothAway, Read(Away, Away));
    }

    [Fact]
    public void NothingIsSaidBeforeTheHostsHaveDecided()
    {
        Assert.Equal(Whereabouts.GoingOn, Read(Sending, Waiting));
        Assert.Equal(Whereabouts.GoingOn, Read(Standing, Waiting));
        Assert.Equal(Whereabouts.GoingOn, Read(Sending, Absent));
        Assert.Equal(Whereabouts.GoingOn, Read(Away, Waiting));
        Assert.Equal(Whereabouts.GoingOn, Read(Absent, Waiting));
        Assert.Equal(Whereabouts.GoingOn, Read(Sending, Away));
    }

    [Fact]
    public void ATargetThatRunsItHasItAlthoughTheSourceIsNotYetDone()
    {
        Assert.Equal(Whereabouts.OnTarget, Read(Sending, Arrived));
        Assert.Equal(Whereabouts.OnTarget, Read(Standing, Arrived));
        Assert.Equal(Whereabouts.OnTarget, Read(Absent, Arrived));
        Assert.Equal(Whereabouts.OnTarget, Read(Off, Seen(PowerState.On, 5)));
    }

    [Fact]
    public void AProcessThatDiedIsOffWhereverItDied()
    {
        Assert.Equal(Whereabouts.Off, Read(Off, Waiting));
        Assert.Equal(Whereabouts.Off, Read(Off, Absent));
        Assert.Equal(Whereabouts.Off, Read(Absent, Off));
        Assert.Equal(Whereabouts.Nowhere, Read(Absent, Absent));
    }

    [Fact]
    public void AnotherMigrationIsNotThisOne()
    {
        var other = new Sighting(true, Sending.Machine! with { Migration = new HostMigration(new Guid(2, 0, 0, new byte[8]), MigrationRole.Source, MigrationPhase.Transfer) });
        Assert.Equal(Whereabouts.OnSource, Read(other, Absent));
    }

    [Fact]
    public void AHostThatDoesNotKnowWhetherItRunsIsAsOneThatIsAway()
    {
        var unknown = Seen(PowerState.Unknown, 3);
        Assert.Equal(Whereabouts.TargetAway, Read(Absent, unknown));
        Assert.Equal(Whereabouts.SourceAway, Read(unknown, Absent));
        Assert.Equal(Whereabouts.BothAway, Read(unknown, unknown));
        Assert.Equal(Whereabouts.OnTarget, Read(unknown, Arrived));
        Assert.Equal(Whereabouts.OnSource, Read(Stayed, unknown));
    }

    private static Whereabouts Read(Sighting source, Sighting target) => WhereaboutsReading.Read(Migration, source, target);

    private static Sighting Seen(PowerState power, long epoch, MigrationRole? role = null, MigrationPhase phase = default) => Sighting.Of(new HostMachine
    {
        Id = EntityId.Vm(Guid.Empty),
        Config = new DatastorePath(EntityId.Datastore(Guid.Empty), "web01/web01.vmx"),
        Power = power,
        LockEpoch = epoch,
        Migration = role is { } given ? new HostMigration(Migration, given, phase) : null,
    });
}
