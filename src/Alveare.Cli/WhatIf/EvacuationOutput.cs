using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Planning.Balancing;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes where the machines of one host go, and what keeps those that go nowhere.</summary>
internal static class EvacuationOutput
{
    public static void Write(Run run, EvacuationPlan plan) => run.Write(w => PlanJson.Write(w, plan, FiguresOutput.CpuSeconds), () => Text(plan));

    private static string Text(EvacuationPlan plan)
    {
        var text = FiguresOutput.Table(plan.Moves, plan.Before, plan.After);
        if (plan.Stuck.IsEmpty)
            return text;
        var rows = plan.Stuck.SelectMany(s => s.Reasons.Select(r => (s.Vm, r.Host, r.Reason)).DefaultIfEmpty((s.Vm, "", "there is no other host"))).ToList();
        return $"{text}\n{plan.Stuck.Length} of its machines go nowhere:\n"
            + Table.Format<(string Vm, string Host, string Reason)>(rows, new("VM", r => r.Vm), new("HOST", r => r.Host), new("REFUSES BECAUSE", r => r.Reason));
    }
}
