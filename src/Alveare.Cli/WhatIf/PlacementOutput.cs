using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes where a new machine would go, and what each host has to say.</summary>
internal static class PlacementOutput
{
    public static void Write(Run run, PlacementPlan plan) => run.Write(w => PlanJson.Write(w, plan, FiguresOutput.CpuSeconds), () => Text(plan));

    private static string Text(PlacementPlan plan)
    {
        var table = Table.Format<HostOffer>(
            plan.Hosts,
            new("HOST", o => o.Host),
            new("LOAD WITH IT", o => o.Refusal is null ? FiguresOutput.Percent(o.Load) : null, IsNumber: true),
            new("REFUSES BECAUSE", o => o.Refusal));
        return $"{(plan.Host is { } host ? $"It would go to {host}." : "No host takes it.")}\n\n{table}";
    }
}
