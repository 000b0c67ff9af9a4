using Alveare.Core.Hosts;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Machines;
using Xunit;

namespace Alveare.Tests.Core.Hosts;

/// <summary>What is known of machines that were destroyed, and how it is stored.</summary>
public sealed class DestroyedMachinesTests
{
    private static readonly EntityId Vm = EntityId.Vm(Number(1));
    private static readonly EntityId Datastore = EntityId.Datastore(Number(2));
    private static readonly DatastorePath Config = new(Datastore, "web 01/web01.vmx");
    private static readonly DatastorePath Other = new(Datastore, "copy/web01.vmx");

    private readonly MemoryStore _store = new();
    private readonly ManualClock _clock = new();

    [Fact]
    public async Task SeveralFilesOfOneIdentityAreKnownAndForgottenOneByOne()
    {
        var destroyed = Loaded();
        await CommitAsync(destroyed.Add(Vm, Config));
        await CommitAsync(destroyed.Add(Vm, Other));
        Assert.Equal([new(Vm, Config), new(Vm, Other)], Loaded().All);
        await Loaded().RemoveAsync(new(Vm, Other));
        Assert.Equal([new(Vm, Config)], Loaded().All);
    }

    [Fact]
    public async Task WhatAnEarlierBuildStoredIsKnownAndCanBeForgotten()
    {
        await WriteAsEarlierBuildAsync();
        Assert.Equal([new(Vm, Config)], Loaded().All);
        await CommitAsync(Loaded().Add(Vm, Config));
        Assert.Single(_store.Load(StoreKind.Destroyed));
        await Loaded().RemoveAsync(new(Vm, Config));
        Assert.Empty(_store.Load(StoreKind.Destroyed));
    }

    [Fact]
    public async Task OfTooManyTheOldestIsForgotten()
    {
        await WriteAsEarlierBuildAsync();
        var destroyed = Loaded();
        for (var number = 1; number < DestroyedMachines.Kept; number++)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Single(destroyed.Add(EntityId.Vm(Number(number)), Other));
        }

        // Destroyed once more it is the newest again.
        Assert.Single(destroyed.Add(Vm, Config));
        await CommitAsync(destroyed.Add(EntityId.Vm(Number(DestroyedMachines.Kept)), Other));
        Assert.Equal(DestroyedMachines.Kept, destroyed.All.Count);
        Assert.DoesNotContain(new(Vm, Other), destroyed.All);
        Assert.Contains(new(Vm, Config), destroyed.All);
    }

    private DestroyedMachines Loaded()
    {
        var destroyed = new DestroyedMachines(_store, _clock);
        destroyed.Load();
        return destroyed;
    }

    private Task CommitAsync(IEnumerable<StoreCompanion> companions) => _store.CommitAsync([.. companions.Select(c => c.Write)]);

    private Task WriteAsEarlierBuildAsync() => _store.CommitAsync(
        [new StoreWrite(StoreKind.Destroyed, $"{Vm}", $$$"""{"config":{"datastore":"{{{Datastore}}}","path":"{{{Config.Path}}}"},"at":"2000-01-01T00:00:00+00:00"}""")]);

    private static Guid Number(int number) => new(number, 0, 0, new byte[8]);
}
