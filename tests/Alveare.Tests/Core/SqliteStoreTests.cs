using Alveare.Core.Store;
using Alveare.Model.Faults;
using Xunit;

namespace Alveare.Tests.Core;

public sealed class SqliteStoreTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-store-").FullName;

    private string Path => System.IO.Path.Combine(_directory, "center.db");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task WhatWasCommittedIsReadBackByTheNextOne()
    {
        await using (var store = new SqliteStore(Path))
        {
            await store.CommitAsync([new StoreWrite("a", "1", "one"), new StoreWrite("a", "2", "two"), new StoreWrite("b", "1", "other")]);
            await store.CommitAsync([new StoreWrite("a", "1", null), new StoreWrite("a", "2", "zwei")]);
        }

        await using var again = new SqliteStore(Path);
        Assert.Equal([new StoredRecord("2", "zwei")], again.Load("a"));
        Assert.Equal([new StoredRecord("1", "other")], again.Load("b"));
    }

    [Fact]
    public async Task ManyCommitsAtOnceAllArrive()
    {
        await using var store = new SqliteStore(Path);
        await Task.WhenAll(Enumerable.Range(0, 500).Select(n => store.CommitAsync([new StoreWrite("n", $"{n:D4}", "x")])));
        Assert.Equal(500, store.Load("n").Count);
    }

    [Fact]
    public async Task AWriteThatBreaksFailsAndTheStoreGoesOn()
    {
        await using var store = new SqliteStore(Path);
        await Assert.ThrowsAsync<FaultException>(
            () => store.CommitAsync([new StoreWrite("a", null!, "one")]).WaitAsync(Patience.Longest, TestContext.Current.CancellationToken));
        await store.CommitAsync([new StoreWrite("a", "1", "one")]).WaitAsync(Patience.Longest, TestContext.Current.CancellationToken);
    }

    [Fact]
    public void AFileThatIsNoDatabaseIsAClearFault()
    {
        File.WriteAllText(Path, new string('x', 4096));
        var fault = Assert.Throws<FaultException>(() => new SqliteStore(Path)).Fault;
        Assert.Contains("center.db", fault.Message, StringComparison.Ordinal);
    }
}
