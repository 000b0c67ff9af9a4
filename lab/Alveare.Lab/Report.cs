using System.Diagnostics;
using System.Globalization;

namespace Alveare.Lab;

/// <summary>Tells whoever watches what the lab does, each line with the seconds since the start; a moving line only on a terminal.</summary>
public sealed class Report(TextWriter output, bool isTerminal)
{
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private bool _moving;

    public TimeSpan Elapsed => _clock.Elapsed;

    public void Step(string what, string detail)
    {
        Settle();
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_clock.Elapsed.TotalSeconds,6:0.0} s  {what,-10} {detail}"));
        output.Flush();
    }

    /// <summary>A line that the next one replaces.</summary>
    public void Moving(string what, string detail)
    {
        if (!isTerminal)
            return;
        output.Write(string.Create(CultureInfo.InvariantCulture, $"\r\e[K{_clock.Elapsed.TotalSeconds,6:0.0} s  {what,-10} {detail}"));
        output.Flush();
        _moving = true;
    }

    public void Line(string text = "")
    {
        Settle();
        output.WriteLine(text);
    }

    /// <summary>A table with a line under its head.</summary>
    public void Table(IReadOnlyList<string> head, IEnumerable<IReadOnlyList<string>> rows)
    {
        List<IReadOnlyList<string>> all = [head, .. rows];
        var widths = Enumerable.Range(0, head.Count).Select(i => all.Max(r => r[i].Length)).ToArray();
        all.Insert(1, [.. widths.Select(w => new string('-', w))]);
        foreach (var row in all)
            Line("  " + string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
    }

    /// <summary>Takes a moving line away, so that what comes next has a line of its own.</summary>
    public void Settle()
    {
        if (_moving)
            output.Write("\r\e[K");
        _moving = false;
    }
}
