namespace Alveare.Bench.Report;

/// <summary>Times of one thing that was done several times.</summary>
internal sealed class Series
{
    private readonly List<double> _milliseconds = [];

    public int Count => _milliseconds.Count;

    public double Median => Quantile(0.5);

    /// <summary>Half of all values lie within this many milliseconds: the machine's noise.</summary>
    public double Spread => Quantile(0.75) - Quantile(0.25);

    public void Add(TimeSpan time) => _milliseconds.Add(time.TotalMilliseconds);

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
