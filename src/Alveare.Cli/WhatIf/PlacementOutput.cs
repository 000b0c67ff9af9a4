using System.Text.Json;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes where a new machine would go, and what each host has to say.</summary>
internal static class PlacementOutput
{
    public static void Write(Run run, PlacementPlan plan) => run.Write(w => WriteJson(w, plan), () => Text(plan));

    private static string Text(PlacementPlan plan)
    {
        var table = Table.Format<HostOffer>(
            plan.Hosts,
            new("HOST", o => o.Host),
            new("LOAD WITH IT", o => o.Refusal is null ? FiguresOutput.Percent(o.Load) : null, IsNumber: true),
            new("REFUSES BECAUSE", o => o.Refusal));
        return $"{(plan.Host is { } host ? $"It would go to {host}." : "No host takes it.")}\n\n{table}";
    }

    private static void WriteJson(Utf8JsonWriter w, PlacementPlan plan)
    {
        w.WriteStartObject();
        w.WriteString("host", plan.Host);
        w.WriteStartArray("hosts");
        foreach (var offer in plan.Hosts)
        {
            w.WriteStartObject();
            w.WriteString("host", offer.Host);
            w.WriteNumber("load", Math.Round(offer.Load, 4));
            if (offer.Refusal is not null)
                w.WriteString("refusal", offer.Refusal);
            w.WriteEndObject();
        }

        w.WriteEndArray();
        FiguresOutput.WriteCpuSeconds(w);
        w.WriteEndObject();
    }
}
