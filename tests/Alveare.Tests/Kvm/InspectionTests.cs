using System.Collections.Immutable;
using Alveare.Kvm;
using Alveare.Kvm.Files;
using Alveare.Kvm.Machines;
using Alveare.Kvm.Qemu;
using Alveare.Model;
using Alveare.Model.Hosts;
using Alveare.Model.Machines;
using Alveare.Tests.Kvm.Machines;
using Xunit;

namespace Alveare.Tests.Kvm;

/// <summary>What an agent makes of a machine whose QEMU ended while the one before it was ending.</summary>
public sealed class InspectionTests : IAsyncLifetime
{
    private const long SourceEpoch = 1;

    private static readonly EntityId Host = EntityId.Host(Guid.NewGuid());
    private static readonly EntityId Datastore = EntityId.Datastore(Guid.NewGuid());

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-look-").FullName;
    private readonly HostState _state = BareHost.NewState();
    private readonly DatastoreTable _datastores = new("h1", TimeProvider.System, _ => { });
    private readonly MachineTable _machines;
    private readonly Registry _registry;
    private readonly Ground _ground;
    private readonly Inspection _inspection;
    private readonly Machine _machine;
    private readonly RunDirectory _run;
    private readonly List<(EntityId? LockOwner, bool IsRunThere)> _takenAway = [];

    public InspectionTests()
    {
        var spec = new MachineSpec { Uuid = Guid.NewGuid(), Name = "web", Cpus = 1, Memory = Bytes.FromMib(64) };
        _registry = new Registry(Path.Combine(_directory, "state"));
        _machines = new MachineTable(_state, _registry);
        _ground = new Ground(Host, "h1", _datastores);
        var listing = new Listing(_machines, _ground);
        var power = new PowerControl(_state, null!, _ground, new Surroundings(null!, new WatchedGroups(TakenAway), null!), new MachineLog(_ground, "h1", TimeProvider.System));
        _inspection = new Inspection(
            Host, _state, _machines, _registry, _ground, listing, new LeftoverFiles(Path.Combine(_directory, "making"), _ground), power, new DatastoreThreads(), Runs, TestContext.Current.CancellationToken);
        _machine = _machines.Add(new HostMachine { Id = spec.Id, Config = new DatastorePath(Datastore, "web/web.vmx"), Power = PowerState.Unknown });
        _run = new RunDirectory(Runs, spec.Uuid);
        Directory.CreateDirectory(Path.Combine(Storage, "web"));
        File.WriteAllBytes(Path.Combine(Storage, "web", "web.vmx"), VmxFile.Write(spec));
    }

    private void TakenAway() => _takenAway.Add((_ground.ReadLock(_machine.Current.Config).Owner, Directory.Exists(_run.Path)));

    private string Storage => Path.Combine(_directory, "ds");

    private string Runs => Path.Combine(_directory, "run");

    public async ValueTask InitializeAsync() => await _datastores.MountAsync(new MountDatastore(Datastore, "shared", Storage, Mark: true));

    public ValueTask DisposeAsync()
    {
        _machines.Dispose();
        Directory.Delete(_directory, recursive: true);
        return ValueTask.CompletedTask;
    }

    [Theory]
    [InlineData(SourceEpoch, false)]
    [InlineData(SourceEpoch + 1, true)]
    public async Task AMachineIsLeftToTheDestinationUnlessItWasTakenBackBefore(long heldAt, bool stays)
    {
        Leave(heldAt, MigrationRole.Source);
        // Somebody took and released it: this agent when it had taken the machine back, or the other host.
        _ground.Take(_machine.Current.Config, "web", minEpoch: 0);
        _ground.Release(_machine.Current.Config, SourceEpoch);

        await _inspection.LookAsync(_machine);

        Assert.Equal(stays, _registry.Knows(_machine.Id));
        Assert.Equal(stays ? PowerState.Off : null, _machines.TryFind(_machine.Id)?.Current.Power);
        Assert.False(Directory.Exists(_run.Path));
    }

    [Fact]
    public async Task WhatTheRunLeftIsTakenAwayWhenTheLockIsFree()
    {
        Leave(SourceEpoch, role: null);
        _ground.Take(_machine.Current.Config, "web", minEpoch: 0);

        await _inspection.LookAsync(_machine);

        // An agent that ends in between must leave behind that something ran.
        Assert.Equal([(null, true)], _takenAway);
        Assert.False(Directory.Exists(_run.Path));
    }

    /// <summary>What a QEMU that has ended and its agent leave.</summary>
    private void Leave(long heldAt, MigrationRole? role)
    {
        Directory.CreateDirectory(_run.Path);
        new RunRecord
        {
            Config = _machine.Current.Config,
            StartedAt = DateTimeOffset.UnixEpoch,
            LockEpoch = heldAt,
            Attachments = new RunAttachments([], ["group"]),
            Migration = role is { } moves ? new MigrationRecord(Guid.NewGuid(), moves, EntityId.Host(Guid.NewGuid()), SourceEpoch, new MigrationSettings()) : null,
        }.Write(_run);
    }

    /// <summary>Control groups that note when they are taken away.</summary>
    private sealed class WatchedGroups(Action onRemoved) : NoGroups
    {
        public override void Remove(ImmutableArray<string> groups) => onRemoved();
    }
}
