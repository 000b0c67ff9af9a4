using System.Text.Json;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes where the machines of one host go, and what keeps those that go nowhere.</summary>
internal static class EvacuationOutput
{
    public static void Write(Run run, EvacuationPlan plan) => run.Write(w => WriteJson(w, plan), () => Text(plan));

    private static void WriteJson(Utf8JsonWriter w, EvacuationPlan plan)
    {
        w.WriteStartObject();
        FiguresOutput.WriteMoves(w, plan.Moves);
        w.WriteStartArray("stuck");
        foreach (var stuck in plan.Stuck)
        {
            w.WriteStartObject();
            w.WriteString("vm", stuck.Vm);
            w.WriteStartArray("reasons");
            foreach (var reason in stuck.Reasons)
            {
                w.WriteStartObject();
                w.WriteString("host", reason.Host);
                w.WriteString("reason", reason.Reason);
                w.WriteEndObject();
            }

            w.WriteEndArray();
            w.WriteEndObject();
        }

        w.WriteEndArray();
        FiguresOutput.Write(w, "before", plan.Before);
        FiguresOutput.Write(w, "after", plan.After);
        FiguresOutput.WriteCpuSeconds(w);
        w.WriteEndObject();
    }

    private static string Text(EvacuationPlan plan)
    {
        var text = FiguresOutput.Table(plan.Moves, plan.Before, plan.After);
        if (plan.Stuck.IsEmpty)
            return text;
        var rows = plan.Stuck.SelectMany(s => s.Reasons.Select(r => (s.Vm, r.Host, r.Reason))).ToList();
        return $"{text}\n{plan.Stuck.Length} of its machines go nowhere:\n"
            + Table.Format<(string Vm, string Host, string Reason)>(rows, new("VM", r => r.Vm), new("HOST", r => r.Host), new("REFUSES BECAUSE", r => r.Reason));
    }
}
