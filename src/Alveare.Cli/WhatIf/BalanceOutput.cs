using System.Globalization;
using System.Text.Json;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Planning.Balancing;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes a plan of moves: the moves in order and how the cluster stands before and after.</summary>
internal static class BalanceOutput
{
    public static void Write(Run run, BalancePlan plan)
    {
        if (run.IsJson)
            run.WriteJson(w => WriteJson(w, plan));
        else
            run.Environment.Out.Write(Text(plan));
    }

    private static void WriteJson(Utf8JsonWriter w, BalancePlan plan)
    {
        w.WriteStartObject();
        w.WriteStartArray("moves");
        foreach (var move in plan.Moves)
        {
            w.WriteStartObject();
            w.WriteString("vm", move.Vm);
            w.WriteString("from", move.From);
            w.WriteString("to", move.To);
            w.WriteString("reason", move.Reason);
            w.WriteEndObject();
        }

        w.WriteEndArray();
        Write(w, "before", plan.Before);
        Write(w, "after", plan.After);
        w.WriteNumber("movedGb", Math.Round(plan.Moves.Sum(m => m.Gb), 1));
        w.WriteNumber("cpuSeconds", Math.Round(CpuSeconds(), 3));
        w.WriteEndObject();
    }

    /// <summary>CPU time of this whole process so far, its start and the reading of the file included.</summary>
    public static double CpuSeconds() => Environment.CpuUsage.TotalTime.TotalSeconds;

    private static void Write(Utf8JsonWriter w, string name, ClusterFigures figures)
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

    private static string Text(BalancePlan plan)
    {
        var moves = plan.Moves.Length == 0
            ? "Nothing to move.\n"
            : Table.Format<PlannedMove>(
                plan.Moves,
                new("VM", m => m.Vm),
                new("FROM", m => m.From),
                new("TO", m => m.To),
                new("GB", m => m.Gb.ToString("0.0", CultureInfo.InvariantCulture), IsNumber: true),
                new("REASON", m => m.Reason));
        (string, ClusterFigures)[] rows = [("before", plan.Before), ("after", plan.After)];
        return $"{moves}\n{Table.Format(rows, Columns)}";
    }

    private static readonly Column<(string When, ClusterFigures Figures)>[] Columns =
    [
        new("", r => r.When),
        new("SD CPU", r => Share(r.Figures.SdCpu), IsNumber: true),
        new("SD MEM", r => Share(r.Figures.SdMem), IsNumber: true),
        new("MAX CPU", r => Share(r.Figures.MaxCpu), IsNumber: true),
        new("MAX MEM", r => Share(r.Figures.MaxMem), IsNumber: true),
        new("BROKEN", r => r.Figures.Broken.ToString(CultureInfo.InvariantCulture), IsNumber: true),
    ];

    private static string Share(double share) => share.ToString("0.0000", CultureInfo.InvariantCulture);
}
