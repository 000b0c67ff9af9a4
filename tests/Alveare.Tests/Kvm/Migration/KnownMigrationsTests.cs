using Alveare.Kvm.Machines;
using Alveare.Kvm.Migration;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Kvm.Migration;

/// <summary>Which migrations a host remembers.</summary>
public sealed class KnownMigrationsTests
{
    [Fact]
    public void OneThatGoesOnIsKnownHoweverManyComeAndGoMeanwhile()
    {
        var known = new KnownMigrations(kept: 2);
        var slow = new Some();
        known.Add(slow);
        var latest = Enumerable.Range(0, 5).Select(_ => new Some()).ToList();
        foreach (var migration in latest)
        {
            known.Add(migration);
            migration.End();
        }

        Assert.Same(slow, known.Find(slow.Record.Id));
        Assert.Same(slow, known.GoingOn(slow.Machine));
        Assert.Null(known.Find(latest[0].Record.Id));
        Assert.Same(latest[^1], known.Find(latest[^1].Record.Id));
    }

    [Fact]
    public void OneWhoseAskerHasBeenToldGoesOnAsLongAsItsMachineTakesPartInIt()
    {
        var known = new KnownMigrations(kept: 2);
        var told = new Some();
        known.Add(told);
        told.Machine.Change(m => m with { Migration = new HostMigration(told.Record.Id, MigrationRole.Source, MigrationPhase.Switch) });
        told.End();
        Assert.Same(told, known.GoingOn(told.Machine));

        told.Machine.Change(m => m with { Migration = null });
        Assert.Null(known.GoingOn(told.Machine));
    }

    /// <summary>A migration of a machine of its own.</summary>
    private sealed class Some() : MigrationEnd(
        new Machine(BareHost.NewState(), new HostMachine { Id = EntityId.Vm(Guid.NewGuid()), Config = new DatastorePath(EntityId.Datastore(Guid.Empty), "a/a.vmx"), Power = PowerState.On }),
        null!,
        new MigrationRecord(Guid.NewGuid(), MigrationRole.Source, EntityId.Host(Guid.Empty), 1, new MigrationSettings()),
        null!)
    {
        public void End() => Fail(new NotFound("migration", "any"));

        public override Task CancelAsync() => Task.CompletedTask;

        public override Task<bool> OnProcessEndedAsync(QemuEnd end) => Task.FromResult(false);
    }
}
