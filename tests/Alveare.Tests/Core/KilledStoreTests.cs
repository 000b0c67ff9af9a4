using System.Diagnostics;
using System.Globalization;
using Alveare.Core.Store;
using Xunit;

namespace Alveare.Tests.Core;

/// <summary>The store of a process that is killed while it writes.</summary>
public sealed class KilledStoreTests : IDisposable
{
    private const int Writers = 8;
    private const int Kept = 4;

    private readonly string _directory = Directory.CreateTempSubdirectory("alveare-store-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Database => Path.Combine(_directory, "center.db");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task WhatWasAcknowledgedIsThereAndWhatWasNotIsThereAsAWholeOrNotAtAll()
    {
        var moments = new Random(1);
        var acknowledged = new int[Writers];
        for (var round = 0; round < 5; round++)
        {
            await WriteUntilKilledAsync(acknowledged, after: moments.Next(1, 150));
            await using var store = new SqliteStore(Database);
            for (var writer = 0; writer < Writers; writer++)
                acknowledged[writer] = LastOf(store, writer, acknowledged[writer]);
        }

        Assert.All(acknowledged, n => Assert.NotEqual(0, n));
    }

    private async Task WriteUntilKilledAsync(int[] acknowledged, int after)
    {
        var start = new ProcessStartInfo(Program, [Database, $"{Writers}", $"{Kept}"]) { RedirectStandardOutput = true };
        start.Environment["TMPDIR"] = _directory;
        using var writer = Process.Start(start)!;
        // What it said before it was killed counts, also when it is read afterwards.
        for (var n = 1; await writer.StandardOutput.ReadLineAsync(Cancellation).AsTask().WaitAsync(Patience.Longest, Cancellation) is { } line; n++)
        {
            var said = line.Split(' ');
            acknowledged[int.Parse(said[0], CultureInfo.InvariantCulture)] = int.Parse(said[1], CultureInfo.InvariantCulture);
            if (n == after)
                writer.Kill();
        }

        await writer.WaitForExitAsync(Cancellation).WaitAsync(Patience.Longest, Cancellation);
        // SIGKILL, and nothing before.
        Assert.Equal(128 + 9, writer.ExitCode);
    }

    /// <summary>The last number of a writer, once its records have been found to be those of exactly that one.</summary>
    private static int LastOf(SqliteStore store, int writer, int acknowledged)
    {
        var last = store.Load("last").Where(r => r.Key == $"{writer}").Select(r => int.Parse(r.Json, CultureInfo.InvariantCulture)).SingleOrDefault();
        // One more may have been written whose acknowledgement was not said any more.
        Assert.InRange(last, acknowledged, acknowledged + 1);
        Assert.Equal(
            Enumerable.Range(Math.Max(1, last - Kept + 1), Math.Min(last, Kept)).Select(n => ($"{writer}/{n}", new string((char)('a' + (n % 26)), 2000))).Order(),
            store.Load("number").Where(r => r.Key.StartsWith($"{writer}/", StringComparison.Ordinal)).Select(r => (r.Key, r.Json)).Order());
        return last;
    }

    // Beside the tests: tests/X/bin/CONFIGURATION/FRAMEWORK and tests/Y/bin/CONFIGURATION/FRAMEWORK.
    private static string Program
    {
        get
        {
            var here = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
            return Path.Combine(here.Parent!.Parent!.Parent!.Parent!.FullName, "Alveare.StoreWriter", "bin", here.Parent.Name, here.Name, "Alveare.StoreWriter");
        }
    }
}
