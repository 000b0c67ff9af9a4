using System.Globalization;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes how many more machines fit, and how many with more hosts.</summary>
internal static class GrowthOutput
{
    public static void Write(Run run, GrowthAnswer answer) => run.Write(
        w => PlanJson.Write(w, answer, FiguresOutput.CpuSeconds),
        () => $"{Text("Now", answer.Now)}{(answer.Grown is null ? "" : $"\n{Text("With more hosts", answer.Grown)}")}");

    private static string Text(string when, GrowthPlan plan)
    {
        var counts = plan.PerHost.ToDictionary(c => c.Host, c => c.Vms, StringComparer.Ordinal);
        var lacks = plan.InTheWay.ToDictionary(r => r.Host, r => r.Reason, StringComparer.Ordinal);
        var hosts = counts.Keys.Union(lacks.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        return $"{when}: {(plan.Fit == Growth.Most ? "at least " : "")}{plan.Fit} more fit.\n\n" + Table.Format<string>(
            hosts,
            new("HOST", h => h),
            new("MORE", h => counts.GetValueOrDefault(h).ToString(CultureInfo.InvariantCulture), IsNumber: true),
            new("NO MORE BECAUSE", h => lacks.GetValueOrDefault(h)));
    }
}
