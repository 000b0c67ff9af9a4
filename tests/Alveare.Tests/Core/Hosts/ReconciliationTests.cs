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
    private static readonly DatastorePath Config = new(EntityId.Datastore(Number(4)), "vm/vm.vmx");
    private static readonly EntityId Elsewhere = EntityId.Host(Number(6));
    private static readonly MachineSpec Spec = new() { Uuid = Number(3), Name = "vm", Cpus = 1, Memory = Bytes.FromMib(64) };

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
            Config = Config,
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
        var reconciliation = new Reconciliation(now, claims, TaskIntents.None with { Destroyed = [new(Vm, Config)] });
        reconciliation.Machine(Vm);
        Assert.Equal(isFound ? [Vm] : [], reconciliation.ToEdit().Put.Select(e => e.Id));
    }

    [Theory]
    [InlineData(PowerState.Off, false, false)]
    [InlineData(PowerState.On, false, true)]
    [InlineData(PowerState.Off, true, true)]
    public void AMachineGoesToDestroyedFilesOfItsIdentityOnlyWhenTheyRunOrAreItsOwnAgain(PowerState power, bool areItsOwn, bool goes)
    {
        var known = Known(Elsewhere) with { Config = areItsOwn ? Config : new DatastorePath(Config.Datastore, "copy/vm.vmx") };
        var there = new HostMachine { Id = Vm, Config = known.Config, Spec = Spec, Power = PowerState.Off, LockEpoch = 7, Revision = 1 };
        var claims = new MachineClaims();
        claims.Watch(Elsewhere, [there]);
        claims.Watch(Where, [there with { Config = Config, Power = power, LockEpoch = 8 }]);
        var now = Site(known);
        var reconciliation = new Reconciliation(now, claims, TaskIntents.None with { Destroyed = [new(Vm, Config)] });

        reconciliation.Machine(Vm);

        Assert.Equal(goes ? Where : Elsewhere, now.With(reconciliation.ToEdit().Put, []).Get<VirtualMachine>(Vm).Host);
    }

    [Fact]
    public void OfAMachineThatItsHostHasNotReadYetWhatWasKnownStands()
    {
        var claims = new MachineClaims();
        claims.Watch(Where, [Unread(1)]);
        var now = Site(Known(Where));
        var reconciliation = new Reconciliation(now, claims, TaskIntents.None);

        reconciliation.Machine(Vm);

        Assert.Equal(now.Get<VirtualMachine>(Vm) with { Power = PowerState.Unknown, IsStale = false }, Assert.Single(reconciliation.ToEdit().Put));
        Assert.Empty(reconciliation.Findings);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void AHostThatHasNotReadAMachineYetKeepsItAndTakesItFromNobody(bool isItsPlace, bool isOtherThere)
    {
        var claims = new MachineClaims();
        claims.Watch(Where, [Unread(1)]);
        if (isOtherThere)
            claims.Watch(Elsewhere, [Unread(1) with { Spec = Spec, Power = PowerState.Off, LockEpoch = 9 }]);
        var now = Site(Known(isItsPlace ? Where : Elsewhere));
        var reconciliation = new Reconciliation(now, claims, TaskIntents.None);

        reconciliation.Machine(Vm);

        var vm = reconciliation.ToEdit().Put.OfType<VirtualMachine>().SingleOrDefault() ?? now.Get<VirtualMachine>(Vm);
        Assert.Equal(isItsPlace ? Where : Elsewhere, vm.Host);
        Assert.DoesNotContain(Where, MachinePlace.Strays(claims.Of(Vm), vm));
        Assert.False(MachinePlace.TakesOver(claims.Of(Vm)[0], vm));
    }

    private static HostMachine Unread(long revision) => new() { Id = Vm, Config = Config, Power = PowerState.Unknown, Revision = revision };

    private static VirtualMachine Known(EntityId host) => new()
    {
        Id = Vm, Name = "vm", Parent = Datacenter, Config = Config, Host = host, Spec = Spec, Power = PowerState.Off, LockEpoch = 7, IsStale = true,
    };

    private static InventorySnapshot Site(VirtualMachine vm) => InventorySnapshot.Empty.With(
        [
            new Datacenter { Id = Datacenter, Name = "dc", Parent = EntityId.Root },
            new Host { Id = Where, Name = "h1", Parent = Datacenter, Address = "h1:8902", Fingerprint = "AA" },
            new Host { Id = Elsewhere, Name = "h2", Parent = Datacenter, Address = "h2:8902", Fingerprint = "BB" },
            vm,
        ],
        []);

    private static Guid Number(int number) => new(number, 0, 0, new byte[8]);
}
