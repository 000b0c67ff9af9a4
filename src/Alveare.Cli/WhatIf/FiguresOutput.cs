using System.Globalization;
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

    /// <summary>CPU time of this whole process so far: its start and the reading of the file are in it.</summary>
    public static double CpuSeconds => Environment.CpuUsage.TotalTime.TotalSeconds;

    public static string Percent(double share) => (100 * share).ToString("0.00", CultureInfo.InvariantCulture) + " %";
}
