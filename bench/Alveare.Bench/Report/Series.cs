namespace Alveare.Bench.Report;

/// <summary>Times of one thing that was done several times, by several at once if need be.</summary>
internal sealed class Series
{
    private readonly List<double> _milliseconds = [];

    public int Count => _milliseconds.Count;

    public double Median => Quantile(0.5);

    /// <summary>Half of all values lie within this many milliseconds: the machine's noise.</summary>
    public double Spread => Quantile(0.75) - Quantile(0.25);

    public void Add(TimeSpan time)
    {
        lock (_milliseconds)
            _milliseconds.Add(time.TotalMilliseconds);
    }

    public Percentiles Percentiles() => new(Quantile(0.5), Quantile(0.9), Quantile(0.99), Quantile(1));

    private double Quantile(double share)
    {
        var sorted = _milliseconds.Order().ToArray();
        if (sorted.Length == 0)
            throw new InvalidOperationException("Nothing was measured.");
        var place = share * (sorted.Length - 1);
        var below = (int)place;
        var above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + ((sorted[above] - sorted[below]) * (place - below));
    }
}

/// <summary>How long things took, in milliseconds.</summary>
internal sealed record Percentiles(double P50, double P90, double P99, double Longest)
{
    public override string ToString() => Line.Text($"p50 {P50:0.0} ms, p90 {P90:0.0}, p99 {P99:0.0}, longest {Longest:0.0}");
}
