using System.CommandLine;
using Alveare.Cli.Running;
using Alveare.Planning.Balancing;

namespace Alveare.Cli.WhatIf;

/// <summary><c>plan</c>: what the planner would do with a cluster in a snapshot file. Needs no center and changes nothing.</summary>
internal static class PlanCommands
{
    private static readonly Option<string> Snapshot = new("--snapshot")
    {
        Description = "File of the cluster's hosts, machines and rules", HelpName = "FILE", Required = true, Recursive = true,
    };

    public static Command Group(CliCommands commands)
    {
        var group = CliCommands.Group("plan", "Ask what would happen, offline, on a snapshot file of a cluster", Balance(commands));
        group.Options.Add(Snapshot);
        return group;
    }

    private static Command Balance(CliCommands commands)
    {
        var level = Takes.Number("--level", $"How eager: 1 mends rules only, {BalanceLevel.Highest} does all that is worth its move (3)");
        var most = Takes.Number("--max-moves", "Make at most so many moves");
        RequireAtLeast(level, 1, BalanceLevel.Highest);
        RequireAtLeast(most, 0, int.MaxValue);
        return commands.New("balance", "Which machines would move where, in order, and what that brings", [level, most], run =>
        {
            var plan = Balancer.Plan(SnapshotFile.Read(run.Value(Snapshot)!), BalanceLevel.Of(run.Value(level) ?? 3), run.Value(most));
            BalanceOutput.Write(run, plan);
            return Task.FromResult(ExitCode.Done);
        });
    }

    private static void RequireAtLeast(Option<int?> option, int least, int most) => option.Validators.Add(result =>
    {
        if (result.GetValueOrDefault<int?>() is { } given && (given < least || given > most))
            result.AddError($"{option.Name} is '{given}', expected {(most == int.MaxValue ? $"{least} or more" : $"{least} to {most}")}.");
    });
}
