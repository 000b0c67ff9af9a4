using Alveare.Core.Hosts;
using Alveare.Core.Inventory;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Inventory;
using Alveare.Model.Machines;
using Xunit;
using Host = Alveare.Model.Inventory.Host;

namespace Alveare.Tests.Core.Hosts;

/// <summary>What the inventory makes of what hosts say.</summary>
public sealed class ReconciliationTests
{
    private static readonly EntityId Datacenter = new(EntityKind.Datacenter, Number(1));
    private static readonly EntityId Where = EntityId.Host(Number(2));
    private static readonly EntityId Vm = EntityId.Vm(Number(3));

    [Theory]
    [InlineData(PowerState.Off, null, MigrationPhase.Transfer, false)]
    [InlineData(PowerState.On, MigrationRole.Source, MigrationPhase.Transfer, false)]
    [InlineData(PowerState.Paused, MigrationRole.Source, MigrationPhase.Switch, false)]
    [InlineData(PowerState.Off, MigrationRole.Destination, MigrationPhase.Transfer, false)]
    [InlineData(PowerState.On, MigrationRole.Destination, MigrationPhase.Commit, false)]
    [InlineData(PowerState.On, null, MigrationPhase.Transfer, true)]
    [InlineData(PowerState.Paused, null, MigrationPhase.Transfer, true)]
    public void AMachineThatWasDestroyedIsFoundOnlyWhereItRunsAndStays(PowerState power, MigrationRole? role, MigrationPhase phase, bool isFound)
    {
        var claims = new MachineClaims();
        claims.Watch(Where, [new HostMachine
        {
            Id = Vm,
            Config = new DatastorePath(EntityId.Datastore(Number(4)), "vm/vm.vmx"),
            Power = power,
            Migration = role is { } given ? new HostMigration(Number(5), given, phase) : null,
            Revision = 1,
        }]);
        var now = InventorySnapshot.Empty.With(
            [
                new Datacenter { Id = Datacenter, Name = "dc", Parent = EntityId.Root },
                new Host { Id = Where, Name = "h1", Parent = Datacenter, Address = "h1:8902", Fingerprint = "AA" },
            ],
            []);
        var reconciliation = new Reconciliation(now, claims, TaskIntents.None with { Destroyed = [Vm] });
        reconciliation.Machine(Vm);
        Assert.Equal(isFound ? [Vm] : [], reconciliation.ToEdit().Put.Select(e => e.Id));
    }

    private static Guid Number(int number) => new(number, 0, 0, new byte[8]);
}
