using System.Globalization;
using System.Text.Json;
using Alveare.Cli.Output;
using Alveare.Planning.Balancing;

namespace Alveare.Cli.WhatIf;

/// <summary>What all plans write: moves, how the cluster stands, and what planning cost.</summary>
internal static class FiguresOutput
{
    private static readonly Column<PlannedMove>[] MoveColumns =
    [
        new("VM", m => m.Vm),
        new("FROM", m => m.From),
        new("TO", m => m.To),
        new("GB", m => m.Gb.ToString("0.0", CultureInfo.InvariantCulture), IsNumber: true),
        new("REASON", m => m.Reason),
    ];

    private static readonly Column<(string When, ClusterFigures Figures)>[] FigureColumns =
    [
        new("", r => r.When),
        new("SD CPU", r => Percent(r.Figures.SdCpu), IsNumber: true),
        new("SD MEMORY", r => Percent(r.Figures.SdMem), IsNumber: true),
        new("WORST CPU", r => Percent(r.Figures.MaxCpu), IsNumber: true),
        new("WORST MEMORY", r => Percent(r.Figures.MaxMem), IsNumber: true),
        new("FULLEST MEMORY", r => Percent(r.Figures.MaxConsumed), IsNumber: true),
        new("BREAK RULES", r => r.Figures.Broken.ToString(CultureInfo.InvariantCulture), IsNumber: true),
    ];

    public static string Table(IReadOnlyList<PlannedMove> moves, ClusterFigures before, ClusterFigures after)
    {
        var text = moves.Count == 0 ? "Nothing to move.\n" : Output.Table.Format(moves, MoveColumns);
        return $"{text}\n{Output.Table.Format<(string, ClusterFigures)>([("before", before), ("after", after)], FigureColumns)}";
    }

    public static void WriteMoves(Utf8JsonWriter w, IEnumerable<PlannedMove> moves)
    {
        w.WriteStartArray("moves");
        foreach (var move in moves)
        {
            w.WriteStartObject();
            w.WriteString("vm", move.Vm);
            w.WriteString("from", move.From);
            w.WriteString("to", move.To);
            w.WriteString("reason", move.Reason);
            w.WriteEndObject();
        }

        w.WriteEndArray();
    }

    public static void Write(Utf8JsonWriter w, string name, ClusterFigures figures)
    {
        w.WriteStartObject(name);
        w.WriteNumber("sdCpu", Math.Round(figures.SdCpu, 5));
        w.WriteNumber("sdMem", Math.Round(figures.SdMem, 5));
        w.WriteNumber("maxCpu", Math.Round(figures.MaxCpu, 4));
        w.WriteNumber("maxMem", Math.Round(figures.MaxMem, 4));
        w.WriteNumber("maxConsumed", Math.Round(figures.MaxConsumed, 4));
        w.WriteNumber("broken", figures.Broken);
        w.WriteEndObject();
    }

    public static void WriteTexts(Utf8JsonWriter w, string name, IEnumerable<string> texts)
    {
        w.WriteStartArray(name);
        foreach (var text in texts)
            w.WriteStringValue(text);
        w.WriteEndArray();
    }

    /// <summary>CPU time of this whole process so far: its start and the reading of the file are in it.</summary>
    public static void WriteCpuSeconds(Utf8JsonWriter w) => w.WriteNumber("cpuSeconds", Math.Round(Environment.CpuUsage.TotalTime.TotalSeconds, 3));

    public static string Percent(double share) => (100 * share).ToString("0.00", CultureInfo.InvariantCulture) + " %";
}
