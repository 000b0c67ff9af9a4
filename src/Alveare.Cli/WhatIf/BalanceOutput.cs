using System.Globalization;
using Alveare.Cli.Running;
using Alveare.Planning.Balancing;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes a plan of moves: the moves in order and how the cluster stands before and after.</summary>
internal static class BalanceOutput
{
    public static void Write(Run run, BalancePlan plan) => run.Write(w => PlanJson.Write(w, plan, FiguresOutput.CpuSeconds), () => Text(plan));

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
