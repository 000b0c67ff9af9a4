using System.Globalization;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Planning.Power;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary>Writes which hosts would sleep or wake, and how much of the hosts that are on is needed.</summary>
internal static class PowerOutput
{
    public static void Write(Run run, PowerPlan plan) => run.Write(w => PlanJson.Write(w, plan, FiguresOutput.CpuSeconds), () => Text(plan));

    private static string Text(PowerPlan plan)
    {
        var terms = plan.Terms;
        if (plan.Steps.IsEmpty)
        {
            return string.Create(
                CultureInfo.InvariantCulture,
                $"Every host stays as it is: {Needed(plan.Before)}; below {100 * terms.Lower:0.#} % hosts sleep if their machines find places, above {100 * terms.Upper:0.#} % they wake if any sleeps.\n");
        }

        var steps = Table.Format<PowerStep>(
            plan.Steps,
            new("HOST", s => s.Host),
            new("DOES", s => s.Action == PowerAction.Wake ? "wake" : "standby"),
            new("REASON", s => s.Reason));
        return $"{steps}\nBefore {Needed(plan.Before)}; after {Needed(plan.After)}.\n";
    }

    private static string Needed(PowerUse use) => double.IsFinite(use.Needed)
        ? string.Create(CultureInfo.InvariantCulture, $"{100 * use.Needed:0.0} % of the {use.HostsOn} hosts that are on is needed")
        : "no host is on";
}
