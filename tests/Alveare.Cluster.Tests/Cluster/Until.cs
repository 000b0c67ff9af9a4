using System.Diagnostics;
using Xunit;

namespace Alveare.Cluster.Tests.Cluster;

/// <summary>Waits for what other processes do.</summary>
internal static class Until
{
    /// <summary>Longer than anything takes on a machine however busy, so that a test that hangs fails instead, and no other.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <param name="what">Said when it was not so in time.</param>
    public static async Task TrueAsync(Func<Task<bool>> condition, Func<string> what)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > Patience)
                Assert.Fail($"Not so within {Patience.TotalSeconds:0} s: {what()}.");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    public static Task TrueAsync(Func<bool> condition, Func<string> what) => TrueAsync(() => Task.FromResult(condition()), what);
}
