using System.Globalization;
using System.Text.Json;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes how many more machines fit, and how many with more hosts.</summary>
internal static class GrowthOutput
{
    public static void Write(Run run, GrowthPlan now, GrowthPlan? grown) => run.Write(
        w => WriteJson(w, now, grown),
        () => $"{Text("Now", now)}{(grown is null ? "" : $"\n{Text("With more hosts", grown)}")}");

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

    private static void WriteJson(Utf8JsonWriter w, GrowthPlan now, GrowthPlan? grown)
    {
        w.WriteStartObject();
        Write(w, "now", now);
        if (grown is not null)
            Write(w, "grown", grown);
        FiguresOutput.WriteCpuSeconds(w);
        w.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter w, string name, GrowthPlan plan)
    {
        w.WriteStartObject(name);
        w.WriteNumber("fit", plan.Fit);
        w.WriteStartObject("perHost");
        foreach (var count in plan.PerHost)
            w.WriteNumber(count.Host, count.Vms);
        w.WriteEndObject();
        w.WriteStartObject("inTheWay");
        foreach (var reason in plan.InTheWay)
            w.WriteString(reason.Host, reason.Reason);
        w.WriteEndObject();
        w.WriteEndObject();
    }
}
