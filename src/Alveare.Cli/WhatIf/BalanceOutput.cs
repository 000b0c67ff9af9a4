using System.Globalization;
using System.Text.Json;
using Alveare.Cli.Running;
using Alveare.Planning.Balancing;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes a plan of moves: the moves in order and how the cluster stands before and after.</summary>
internal static class BalanceOutput
{
    public static void Write(Run run, BalancePlan plan) => run.Write(w => WriteJson(w, plan), () => Text(plan));

    private static void WriteJson(Utf8JsonWriter w, BalancePlan plan)
    {
        w.WriteStartObject();
        FiguresOutput.WriteMoves(w, plan.Moves);
        FiguresOutput.Write(w, "before", plan.Before);
        FiguresOutput.Write(w, "after", plan.After);
        w.WriteNumber("movedGb", Math.Round(plan.Moves.Sum(m => m.Gb), 1));
        FiguresOutput.WriteTexts(w, "conflicts", plan.Conflicts);
        FiguresOutput.WriteTexts(w, "broken", plan.Broken);
        FiguresOutput.WriteCpuSeconds(w);
        w.WriteEndObject();
    }

    private static string Text(BalancePlan plan)
    {
        var gb = plan.Moves.Sum(m => m.Gb).ToString("0.0", CultureInfo.InvariantCulture);
        return FiguresOutput.Table(plan.Moves, plan.Before, plan.After)
            + (plan.Moves.IsEmpty ? "" : $"\n{plan.Moves.Length} move{(plan.Moves.Length == 1 ? "" : "s")}, {gb} GB.\n")
            + Lines("Rules that cannot be kept:", plan.Conflicts)
            + Lines("Rules still broken:", plan.Broken);
    }

    private static string Lines(string title, IReadOnlyCollection<string> lines) =>
        lines.Count == 0 ? "" : $"\n{title}\n{string.Concat(lines.Select(l => $"  {l}\n"))}";
}
