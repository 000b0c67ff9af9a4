using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary>What <c>cluster …</c> has beyond the commands of every container.</summary>
internal static class ClusterCommands
{
    private const string NoBaseline = "none";

    public static IEnumerable<Command> Of(CliCommands commands) => [CpuBaseline(commands), SetCpuBaseline(commands), RollingMaintenance(commands), PowerOnVms(commands)];

    private static Command CpuBaseline(CliCommands commands)
    {
        var name = Takes.Existing(commands, "cluster");
        return commands.New("cpu-baseline", "Show a cluster's CPU baseline and the highest that its hosts could have", [name], async run =>
        {
            var id = await run.IdOfAsync("cluster", run.Value(name));
            if (run.IsJson)
            {
                run.WriteRecord(await run.AskAsync(c => c.GetAsync<System.Text.Json.JsonElement>($"clusters/{id}/cpu-baseline", run.Interrupted)));
                return ExitCode.Done;
            }

            var survey = await run.AskAsync(c => c.GetAsync<CpuSurveyDto>($"clusters/{id}/cpu-baseline", run.Interrupted));
            await run.Environment.Out.WriteLineAsync($"baseline: {survey.Baseline ?? NoBaseline}");
            await run.Environment.Out.WriteLineAsync($"highest level of all hosts: {survey.HighestLevel ?? "not known: no host has said what it is"}");
            await run.Environment.Out.WriteLineAsync($"models of all hosts: {(survey.CommonModels.Count == 0 ? "none" : string.Join(", ", survey.CommonModels))}");
            foreach (var host in survey.Hosts)
            {
                var next = host.NextLevel is null ? "" : $"; lacks of {host.NextLevel}: {string.Join(", ", host.MissingOfNext)}";
                await run.Environment.Out.WriteLineAsync($"  {host.Host}: {host.Level} ({host.Cpu}){next}");
            }

            return ExitCode.Done;
        });
    }

    private static OperationCommand RollingMaintenance(CliCommands commands)
    {
        var name = Takes.Existing(commands, "cluster");
        var atOnce = Takes.Number("--at-once", "How many hosts at once; 1 by default");
        var hold = Takes.Number("--hold", "Seconds that each host stays in maintenance; 0 by default");
        return OperationCommand.On(
            commands, "cluster.rolling-maintenance", "rolling-maintenance", "Put a cluster's hosts into maintenance and out of it again, some at a time", [name, atOnce, hold],
            run => run.IdOfAsync("cluster", run.Value(name)),
            (run, _) => Task.FromResult<JsonObject?>(Takes.Body(
                ("atOnce", run.Value(atOnce)),
                ("hold", Takes.Seconds(run.Value(hold))))));
    }

    private static OperationCommand PowerOnVms(CliCommands commands)
    {
        var name = Takes.Existing(commands, "cluster");
        var vms = new Argument<string[]>("VM") { Arity = ArgumentArity.ZeroOrMore, Description = "Machines to power on", HelpName = "VM" };
        vms.CompletionSources.Add(NameCompletion.Of(commands, "vm"));
        var all = Takes.Flag("--all", "All machines of the cluster that are off");
        var wait = Takes.Number("--guest-wait", "Seconds to wait at most after each step until its guest agents answer; 0 by default");
        var command = OperationCommand.On(
            commands, "cluster.power-on-vms", "power-on-vms", "Power on machines of a cluster in the order that its start-after rules give", [name, vms, all, wait],
            run => run.IdOfAsync("cluster", run.Value(name)),
            async (run, _) => Takes.Body(("vms", await run.IdsOfAsync("vm", run.Value(vms)!)), ("guestWait", Takes.Seconds(run.Value(wait)))));
        command.Validators.Add(result =>
        {
            if (result.GetValue(all) == result.GetValue(vms) is { Length: > 0 })
                result.AddError("Name machines, or give --all; not both and not neither.");
        });
        return command;
    }

    private static OperationCommand SetCpuBaseline(CliCommands commands)
    {
        var name = Takes.Existing(commands, "cluster");
        var baseline = Takes.Name("BASELINE", $"x86-64-v1 to x86-64-v4, a processor model such as Westmere, or {NoBaseline}");
        return OperationCommand.On(
            commands, "cluster.set-cpu-baseline", "set-cpu-baseline", "Set the CPU that machines of a cluster start with, which each of its hosts can give", [name, baseline],
            run => run.IdOfAsync("cluster", run.Value(name)),
            (run, _) => Task.FromResult<JsonObject?>(run.Value(baseline) == NoBaseline ? null : Takes.Body(("baseline", run.Value(baseline)))));
    }
}
