using System.Diagnostics;
using Xunit;

namespace Alveare.Machine.Tests.Room;

/// <summary>What guests come to in a second, measured until it is as it is to be: on a busy machine a guest is not always given the CPU for what it is
/// allowed, while what it is held to must hold each time.</summary>
internal static class Rates
{
    private const int Measurements = 8;

    /// <summary>By how much a count grows in a second, over some time.</summary>
    /// <remarks>The clock starts before the first count and stops after the last: one that is slow to come makes the rate smaller than it is, never larger.</remarks>
    public static async Task<double> PerSecondAsync(Func<double> count, TimeSpan during, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var before = count();
        await Task.Delay(during, cancellation);
        return (count() - before) / clock.Elapsed.TotalSeconds;
    }

    /// <summary>Measures until a result has come up to what is expected; fails at the first that exceeds it, and after the eighth.</summary>
    /// <param name="expected">In words, for the failure.</param>
    public static async Task ReachAsync<T>(Func<Task<T>> measure, Func<T, bool> isReached, Func<T, bool> isExceeded, string expected)
    {
        var results = new List<T>();
        do
        {
            Assert.True(results.Count < Measurements, $"expected: {expected}; it came to {string.Join(", ", results.Select(Text))}");
            results.Add(await measure());
            Assert.False(isExceeded(results[^1]), $"expected: {expected}; it came to {Text(results[^1])}, which is too much");
        }
        while (!isReached(results[^1]));
    }

    private static string Text<T>(T result) => result is double[] several ? string.Join(" and ", several) : $"{result}";

    /// <summary>Never more than a tenth above <paramref name="limit"/>, and once at least a tenth below.</summary>
    public static Task HoldAsync(Func<Task<double>> measure, double limit) =>
        ReachAsync(measure, r => r >= limit * 0.9, r => r > limit * 1.1, $"a limit of {limit} that holds");

    /// <summary>Together never more than a tenth above the sum of <paramref name="parts"/>, and once each at least a tenth below its own.</summary>
    public static Task ShareAsync(Func<Task<double[]>> measure, double[] parts) =>
        ReachAsync(measure, r => r.Zip(parts).All(p => p.First >= p.Second * 0.9), r => r.Sum() > parts.Sum() * 1.1, $"parts of {string.Join(" and ", parts)}");

    /// <summary>Once more than <paramref name="rate"/>, to which nothing is held any more.</summary>
    public static Task ExceedAsync(Func<Task<double>> measure, double rate) => ReachAsync(measure, r => r > rate, _ => false, $"more than {rate}");
}
