using System.Globalization;
using Alveare.Core.Store;

// A program to be killed: each of its writers commits one number after the other to the store in a file, and says each once it is acknowledged, as
// "WRITER NUMBER". A commit puts the number's record, removes an older one, and says which is the last: all of that, or nothing.
var (path, writers, kept) = (args[0], Number(args[1]), Number(args[2]));
await using var store = new SqliteStore(path);
await Task.WhenAll(Enumerable.Range(0, writers).Select(WriteAsync));

async Task WriteAsync(int writer)
{
    var last = store.Load("last").Where(r => r.Key == $"{writer}").Select(r => Number(r.Json)).SingleOrDefault();
    for (var n = last + 1; ; n++)
    {
        await store.CommitAsync(
        [
            new StoreWrite("number", $"{writer}/{n}", new string((char)('a' + (n % 26)), 2000)),
            new StoreWrite("number", $"{writer}/{n - kept}", null),
            new StoreWrite("last", $"{writer}", n.ToString(CultureInfo.InvariantCulture)),
        ]);
        Console.WriteLine($"{writer} {n}");
    }
}

static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
