using System.Globalization;

namespace Alveare.Bench.Report;

/// <summary>One result: what was measured, against what, and whether the target is met.</summary>
/// <param name="Measured">The figure with its unit, for people.</param>
/// <param name="Against">What it is compared with, taken in the same run.</param>
/// <param name="Target">The limit in words.</param>
internal sealed record Line(string What, string Measured, string Against, string Ratio, string Target, bool IsMet)
{
    private static readonly string[] Heads = ["what", "measured", "against", "ratio", "target", ""];

    /// <summary>A time beside a bare one: medians, their spread, and the ratio held against <paramref name="limit"/>.</summary>
    /// <param name="allowance">Milliseconds that the limit grants on top.</param>
    public static Line Of(string what, Series ours, Series bare, double limit, double allowance = 0)
    {
        var target = allowance == 0 ? Text($"<= {limit:0.00} x") : Text($"<= {limit:0.00} x + {allowance:0} ms");
        return new Line(
            Text($"{what} (n={ours.Count})"), Milliseconds(ours), Milliseconds(bare), Text($"{ours.Median / bare.Median:0.00}"), target,
            ours.Median <= (bare.Median * limit) + allowance);
    }

    /// <summary>A figure beside that of another way to do the same.</summary>
    /// <param name="allowance">What ours may be above it.</param>
    /// <param name="format">How many digits say something.</param>
    public static Line Beside(string what, double ours, double other, string unit, double allowance, string format)
    {
        var target = allowance == 0 ? "<= 1.00 x" : Text($"<= 1.00 x + {allowance:0.####}");
        return new(what, Figure(ours), Figure(other), other > 0 ? Text($"{ours / other:0.00}") : "-", target, ours <= other + allowance);

        string Figure(double value) => $"{value.ToString(format, CultureInfo.InvariantCulture)} {unit}".TrimEnd();
    }

    /// <summary>A figure that is held against a fixed limit.</summary>
    public static Line Limit(string what, double value, double limit, string unit) =>
        new(what, Text($"{value:0.##} {unit}"), "-", "-", Text($"<= {limit:0.##} {unit}"), value <= limit);

    /// <summary>A rate that has to reach a limit.</summary>
    public static Line AtLeast(string what, double value, double limit, string unit, string against) =>
        new(what, Text($"{value:0.#} {unit}"), against, "-", Text($">= {limit:0.#} {unit}"), value >= limit);

    /// <summary>The lines as an aligned table.</summary>
    public static void Print(IReadOnlyCollection<Line> lines)
    {
        var rows = lines.Select(l => new[] { l.What, l.Measured, l.Against, l.Ratio, l.Target, l.IsMet ? "met" : "MISSED" }).Prepend(Heads).ToArray();
        var widths = Enumerable.Range(0, Heads.Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
            Console.WriteLine(string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd());
    }

    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Milliseconds(Series series) => Text($"{series.Median:0.0} ms ±{series.Spread / 2:0.0}");
}
