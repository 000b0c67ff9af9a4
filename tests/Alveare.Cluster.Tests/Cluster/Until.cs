using System.Diagnostics;
using Xunit;

namespace Alveare.Cluster.Tests.Cluster;

/// <summary>Waits with a bound, for what other processes do.</summary>
internal static class Until
{
    /// <param name="what">Said when it was not so in time.</param>
    public static async Task TrueAsync(Func<Task<bool>> condition, TimeSpan bound, Func<string> what)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > bound)
                Assert.Fail($"Not so within {bound.TotalSeconds:0} s: {what()}.");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    public static Task TrueAsync(Func<bool> condition, TimeSpan bound, Func<string> what) =>
        TrueAsync(() => Task.FromResult(condition()), bound, what);
}
