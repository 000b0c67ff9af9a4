using Alveare.Core.Changes;
using Alveare.Core.Inventory;
using Alveare.Core.Store;
using Alveare.Model;
using Alveare.Model.Faults;
using Alveare.Model.Inventory;
using CsCheck;
using Xunit;

namespace Alveare.Tests.Core;

public sealed class InventoryWriterTests
{
    private static readonly EntityId[] Ids = [.. Enumerable.Range(1, 8).Select(n => new EntityId(EntityKind.Folder, new Guid(n, 0, 0, new byte[8])))];

    [Fact]
    public async Task WhatWasAppliedIsThereAfterARestart()
    {
        var store = new MemoryStore();
        await new InventoryWriter(store, new Feed()).ApplyAsync(_ => InventoryEdit.Of(NewFolder(0, "web")));

        var restarted = new InventoryWriter(store, new Feed());
        restarted.Load();

        Assert.Equal("web", restarted.Current.Get<Folder>(Ids[0]).Name);
        Assert.Equal("/web", restarted.Current.PathOf(Ids[0]));
    }

    [Fact]
    public async Task AnEditThatThrowsChangesNothing()
    {
        var writer = new InventoryWriter(new MemoryStore(), new Feed());
        await writer.ApplyAsync(_ => InventoryEdit.Of(NewFolder(0, "web")));

        await Assert.ThrowsAsync<FaultException>(() => writer.ApplyAsync(_ => throw new FaultException(new NotFound("folder", "x"))));

        Assert.Equal(2, writer.Current.Count);
    }

    [Fact]
    public async Task AFullDiskFailsTheEditAndNoneIsVisibleAndLaterOnesWork()
    {
        var store = new MemoryStore { IsFull = true };
        var writer = new InventoryWriter(store, new Feed());

        using var hold = store.Hold();
        var first = writer.ApplyAsync(_ => InventoryEdit.Of(NewFolder(0, "a")));
        var built = writer.ApplyAsync(now => InventoryEdit.Of(NewFolder(1, "b")));
        hold.Release();
        await Assert.ThrowsAsync<FaultException>(() => first);
        await Assert.ThrowsAsync<FaultException>(() => built);
        Assert.Equal(1, writer.Current.Count);

        store.IsFull = false;
        await writer.ApplyAsync(_ => InventoryEdit.Of(NewFolder(2, "c")));
        Assert.NotNull(writer.Current.Find(Ids[2]));
        Assert.Null(writer.Current.Find(Ids[0]));
    }

    [Fact]
    public async Task AnEditThatWasRefusedDoesNotComeBackAfterARestart()
    {
        var store = new MemoryStore { Failures = 1 };
        var writer = new InventoryWriter(store, new Feed());
        using var hold = store.Hold();
        var failed = writer.ApplyAsync(_ => InventoryEdit.Of(NewFolder(0, "a")));
        var refused = writer.ApplyAsync(_ => InventoryEdit.Of(NewFolder(1, "b")));
        hold.Release();
        await Assert.ThrowsAsync<FaultException>(() => failed);
        await Assert.ThrowsAsync<FaultException>(() => refused);
        await writer.ApplyAsync(_ => InventoryEdit.Of(NewFolder(2, "c")));

        var restarted = new InventoryWriter(store, new Feed());
        restarted.Load();
        Assert.Equal(["c"], restarted.Current.OfType<Folder>().Select(f => f.Name));
    }

    [Fact]
    public async Task WhatWasToBeStoredWithARefusedEditIsPutBack()
    {
        var store = new MemoryStore();
        var writer = new InventoryWriter(store, new Feed());
        store.Failures = 1;
        using var hold = store.Hold();
        var failed = writer.ApplyAsync(_ => InventoryEdit.Of(NewFolder(0, "a")));
        var refused = writer.ApplyAsync(
            _ => InventoryEdit.Of(NewFolder(1, "b")),
            new StoreCompanion(new StoreWrite(StoreKind.Task, "1", "ended"), new StoreWrite(StoreKind.Task, "1", "running")));
        hold.Release();
        await Assert.ThrowsAsync<FaultException>(() => failed);
        await Assert.ThrowsAsync<FaultException>(() => refused);
        await writer.ApplyAsync(_ => InventoryEdit.Of(NewFolder(2, "c")));

        Assert.Equal(["running"], store.Load(StoreKind.Task).Select(t => t.Json));
    }

    [Fact]
    public async Task WhatIsToBeStoredWithAnEditThatChangesNothingIsStored()
    {
        var store = new MemoryStore();
        var writer = new InventoryWriter(store, new Feed());
        var before = writer.Current;

        await writer.ApplyAsync(
            _ => InventoryEdit.Nothing,
            new StoreCompanion(new StoreWrite(StoreKind.Task, "1", "ended"), new StoreWrite(StoreKind.Task, "1", "running")));

        Assert.Equal(["ended"], store.Load(StoreKind.Task).Select(t => t.Json));
        Assert.Same(before, writer.Current);
    }

    [Fact]
    public void ReplayingTheFeedGivesTheSnapshot() =>
        Gen.Select(Gen.Int[0, 7], Gen.String[Gen.Char.AlphaNumeric, 1, 5], Gen.Bool).Array[0, 40].SampleAsync(async edits =>
        {
            var feed = new Feed();
            var writer = new InventoryWriter(new MemoryStore(), feed);
            foreach (var (index, name, isRemoval) in edits)
            {
                await writer.ApplyAsync(_ => isRemoval
                    ? InventoryEdit.Remove(Ids[index])
                    : InventoryEdit.Of(NewFolder(index, name)));
            }

            var replayed = new Dictionary<EntityId, string>();
            foreach (var item in feed.Since(0)!)
            {
                if (item is EntityPut put)
                    replayed[put.Entity.Id] = put.Entity.Name;
                else if (item is EntityRemoved removed)
                    replayed.Remove(removed.Id);
            }

            var expected = writer.Current.OfType<Folder>().ToDictionary(f => f.Id, f => f.Name);
            return expected.Count == replayed.Count && expected.All(e => replayed.TryGetValue(e.Key, out var name) && name == e.Value);
        });

    [Fact]
    public void WhatIsIndexedIsWhatALookAtEverythingWouldFind() =>
        Gen.Select(Gen.Int[0, 5], Gen.Int[0, 2], Gen.Int[-1, 2], Gen.Bool).Array[0, 60].Sample(edits =>
        {
            var now = InventorySnapshot.Empty;
            foreach (var (machine, folder, host, isRemoval) in edits)
            {
                var id = EntityId.Vm(new Guid(machine, 0, 0, new byte[8]));
                var on = host < 0 ? (EntityId?)null : EntityId.Host(new Guid(host, 0, 0, new byte[8]));
                now = isRemoval
                    ? now.With([], [id])
                    : now.With([new VirtualMachine { Id = id, Name = "vm", Parent = Ids[folder], Host = on, Config = default! }, NewFolder(folder, "f")], []);
            }

            var all = now.OfType<VirtualMachine>().OrderBy(v => v.Id).ToList();
            for (var number = 0; number <= 2; number++)
            {
                var host = EntityId.Host(new Guid(number, 0, 0, new byte[8]));
                Assert.Equal(all.Where(v => v.Host == host), now.MachinesOn(host));
                Assert.Equal(all.Where(v => v.Parent == Ids[number]), now.Children<VirtualMachine>(Ids[number]));
            }

            Assert.Equal(now.OfType<Folder>().OrderBy(f => f.Id), now.Children<Folder>(EntityId.Root));
            Assert.Empty(now.Children<Host>(EntityId.Root));
        });

    private static Folder NewFolder(int index, string name) => new() { Id = Ids[index], Name = name, Parent = EntityId.Root };
}
