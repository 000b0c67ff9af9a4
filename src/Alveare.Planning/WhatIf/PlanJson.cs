using System.Text.Json;
using Alveare.Planning.Balancing;
using Alveare.Planning.Power;
using Alveare.Planning.Snapshots;

namespace Alveare.Planning.WhatIf;

/// <summary>Answers as JSON: the form that <c>plan --json</c> and REST share. Token by token, because a command must start fast.</summary>
public static class PlanJson
{
    /// <param name="cpuSeconds">CPU time that the answer took.</param>
    public static void Write(Utf8JsonWriter w, BalancePlan plan, double cpuSeconds)
    {
        w.WriteStartObject();
        Moves(w, plan.Moves);
        Figures(w, "before", plan.Before);
        Figures(w, "after", plan.After);
        w.WriteNumber("movedGb", Math.Round(plan.Moves.Sum(m => m.Gb), 1));
        w.WriteTexts("conflicts", plan.Conflicts);
        w.WriteTexts("broken", plan.Broken);
        End(w, cpuSeconds);
    }

    /// <inheritdoc cref="Write(Utf8JsonWriter, BalancePlan, double)"/>
    public static void Write(Utf8JsonWriter w, PlacementPlan plan, double cpuSeconds)
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
        End(w, cpuSeconds);
    }

    /// <inheritdoc cref="Write(Utf8JsonWriter, BalancePlan, double)"/>
    public static void Write(Utf8JsonWriter w, EvacuationPlan plan, double cpuSeconds)
    {
        w.WriteStartObject();
        Moves(w, plan.Moves);
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
        Figures(w, "before", plan.Before);
        Figures(w, "after", plan.After);
        End(w, cpuSeconds);
    }

    /// <inheritdoc cref="Write(Utf8JsonWriter, BalancePlan, double)"/>
    public static void Write(Utf8JsonWriter w, PowerPlan plan, double cpuSeconds)
    {
        w.WriteStartObject();
        w.WriteStartArray("steps");
        foreach (var step in plan.Steps)
        {
            w.WriteStartObject();
            w.WriteString("action", step.Action == PowerAction.Wake ? "wake" : "standby");
            w.WriteString("host", step.Host);
            w.WriteString("reason", step.Reason);
            w.WriteEndObject();
        }

        w.WriteEndArray();
        Use(w, "before", plan.Before);
        Use(w, "after", plan.After);
        End(w, cpuSeconds);
    }

    /// <inheritdoc cref="Write(Utf8JsonWriter, BalancePlan, double)"/>
    public static void Write(Utf8JsonWriter w, GrowthAnswer answer, double cpuSeconds)
    {
        w.WriteStartObject();
        Growth(w, "now", answer.Now);
        if (answer.Grown is not null)
            Growth(w, "grown", answer.Grown);
        End(w, cpuSeconds);
    }

    private static void End(Utf8JsonWriter w, double cpuSeconds)
    {
        w.WriteNumber("cpuSeconds", Math.Round(cpuSeconds, 3));
        w.WriteEndObject();
    }

    private static void Use(Utf8JsonWriter w, string name, PowerUse use)
    {
        w.WriteStartObject(name);
        w.WriteNumber("hostsOn", use.HostsOn);
        if (double.IsFinite(use.Needed))
            w.WriteNumber("needed", Math.Round(use.Needed, 4));
        w.WriteEndObject();
    }

    private static void Growth(Utf8JsonWriter w, string name, GrowthPlan plan)
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

    private static void Moves(Utf8JsonWriter w, IEnumerable<PlannedMove> moves)
    {
        w.WriteStartArray("moves");
        foreach (var move in moves)
        {
            w.WriteStartObject();
            w.WriteString("vm", move.Vm);
            w.WriteString("from", move.From);
            w.WriteString("to", move.To);
            w.WriteString("reason", move.Reason);
            if (move.With is not null)
                w.WriteString("with", move.With);
            if (move.For is not null)
                w.WriteString("for", move.For);
            w.WriteEndObject();
        }

        w.WriteEndArray();
    }

    private static void Figures(Utf8JsonWriter w, string name, ClusterFigures figures)
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
}
