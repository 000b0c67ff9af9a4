using System.Globalization;
using System.Text;

namespace Alveare.Cli.Output;

/// <summary>One column of a table.</summary>
/// <param name="IsNumber">Aligned right.</param>
/// <param name="IsOptional">Left out where no row has anything in it.</param>
public sealed record Column<T>(string Header, Func<T, string?> Value, bool IsNumber = false, bool IsOptional = false);

/// <summary>Aligned text columns without lines, so that they can be read and cut by programs too; an empty cell is <c>-</c>.</summary>
public static class Table
{
    private const string Gap = "  ";

    public static string Format<T>(IReadOnlyList<T> rows, params Column<T>[] columns)
    {
        columns = [.. columns.Where(c => !c.IsOptional || rows.Any(r => !string.IsNullOrEmpty(c.Value(r))))];
        var cells = rows.Select(row => columns.Select(c => Clean(c.Value(row))).ToArray()).ToList();
        var widths = columns.Select((c, n) => cells.Select(r => Width(r[n])).Append(Width(c.Header)).Max()).ToArray();
        var text = new StringBuilder();
        Append(text, [.. columns.Select(c => c.Header)], widths, columns);
        foreach (var row in cells)
            Append(text, row, widths, columns);
        return text.ToString();
    }

    /// <summary>Cells that a terminal needs for a text: East Asian wide characters take two, combining marks none.</summary>
    public static int Width(string text)
    {
        var width = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            width += Rune.GetUnicodeCategory(rune) switch
            {
                UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format => 0,
                _ => IsWide(rune.Value) ? 2 : 1,
            };
        }

        return width;
    }

    // The blocks of East_Asian_Width W and F (Unicode Standard Annex 11) that names are written in.
    private static bool IsWide(int rune) => rune
        is (>= 0x1100 and <= 0x115f) or (>= 0x2e80 and <= 0xa4cf) or (>= 0xac00 and <= 0xd7a3) or (>= 0xf900 and <= 0xfaff)
        or (>= 0xfe30 and <= 0xfe6f) or (>= 0xff00 and <= 0xff60) or (>= 0xffe0 and <= 0xffe6) or (>= 0x1f300 and <= 0x1faff) or (>= 0x20000 and <= 0x3fffd);

    // Texts come from guests and hosts too: no cell may move the cursor or begin a line.
    private static string Clean(string? cell) =>
        string.IsNullOrEmpty(cell) ? "-" : string.Concat(cell.Select(c => char.IsControl(c) ? ' ' : c));

    private static void Append<T>(StringBuilder text, string[] cells, int[] widths, Column<T>[] columns)
    {
        var line = new StringBuilder();
        for (var n = 0; n < cells.Length; n++)
        {
            var padding = new string(' ', widths[n] - Width(cells[n]));
            line.Append(n == 0 ? "" : Gap).Append(columns[n].IsNumber ? padding + cells[n] : cells[n] + padding);
        }

        text.Append(line.ToString().TrimEnd()).Append('\n');
    }
}
