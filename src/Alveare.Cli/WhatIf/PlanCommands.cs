using System.CommandLine;
using Alveare.Cli.Running;
using Alveare.Model;
using Alveare.Model.Clusters;
using Alveare.Model.Faults;
using Alveare.Planning.Balancing;
using Alveare.Planning.Snapshots;
using Alveare.Planning.WhatIf;

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
        var group = CliCommands.Group(
            "plan",
            "Ask what would happen, offline, on a snapshot file of a cluster",
            Balance(commands),
            Place(commands),
            Evacuate(commands, "maintenance", "Where the machines of a host would go if it were emptied, in order, and what is in the way", Answering.Maintenance),
            Evacuate(commands, "fail", "Whether the others carry what runs on a host, and where each machine would start again", Answering.Fail),
            Power(commands),
            Grow(commands));
        group.Options.Add(Snapshot);
        return group;
    }

    private static Command Balance(CliCommands commands)
    {
        var level = Takes.Number("--level", $"How eager: 1 mends rules only, {BalanceLevel.Highest} does all that is worth its move ({BalanceQuestion.DefaultLevel})");
        var most = Takes.Number("--max-moves", "Make at most so many moves");
        RequireBetween(level, 1, BalanceLevel.Highest);
        RequireBetween(most, 0, int.MaxValue);
        return commands.New("balance", "Which machines would move where, in order, and what that brings", [level, most], run =>
        {
            var question = new BalanceQuestion { Level = run.Value(level) ?? BalanceQuestion.DefaultLevel, MaxMoves = run.Value(most) };
            var plan = Ask(run, Answering.Balance, question);
            BalanceOutput.Write(run, plan);
            return Task.FromResult(ExitCode.Done);
        });
    }

    private static Command Place(CliCommands commands)
    {
        var memory = Takes.Size("--memory", "Memory of the new machine");
        memory.Required = true;
        var cpu = Takes.Number("--cpu-mhz", "CPU that it will ask for, MHz (0)");
        var cpuReservation = Takes.Number("--cpu-reservation-mhz", "CPU that is promised to it, MHz (0)");
        var memoryReservation = Takes.Size("--memory-reservation", "Memory that is promised to it");
        var together = Takes.Texts("--together-with", "A machine it is to share its host with", "VM");
        var apart = Takes.Texts("--apart-from", "A machine it is not to share a host with", "VM");
        var on = Takes.Texts("--on", "A host it may be on", "HOST");
        foreach (var number in (Option<int?>[])[cpu, cpuReservation])
            RequireBetween(number, 0, int.MaxValue);
        return commands.New("place", "Which host a new machine would go to, and why not to the others", [memory, cpu, cpuReservation, memoryReservation, together, apart, on], run =>
        {
            var question = new PlaceQuestion
            {
                Memory = new Bytes(run.Value(memory)!.Value),
                Cpu = new Megahertz(run.Value(cpu) ?? 0),
                CpuReservation = new Megahertz(run.Value(cpuReservation) ?? 0),
                MemoryReservation = new Bytes(run.Value(memoryReservation) ?? 0),
                TogetherWith = [.. run.Value(together)!],
                ApartFrom = [.. run.Value(apart)!],
                On = [.. run.Value(on)!],
            };
            var plan = Ask(run, Answering.Place, question);
            PlacementOutput.Write(run, plan);
            return Task.FromResult(plan.Host is null ? ExitCode.Fault : ExitCode.Done);
        });
    }

    private static Command Evacuate(CliCommands commands, string name, string description, Func<ClusterSnapshot, HostQuestion, EvacuationPlan> plan)
    {
        var host = Takes.Text("--host", "Id of the host in the snapshot", "HOST");
        host.Required = true;
        return commands.New(name, description, [host], run =>
        {
            var answer = Ask(run, plan, new HostQuestion { Host = run.Value(host)! });
            EvacuationOutput.Write(run, answer);
            return Task.FromResult(answer.Stuck.IsEmpty ? ExitCode.Done : ExitCode.Fault);
        });
    }

    private static Command Power(CliCommands commands)
    {
        var usual = new PowerQuestion();
        var target = Takes.Number("--target", $"Percent of the hosts that are on which is to be used ({usual.Target})");
        var band = Takes.Number("--band", $"Percent around it: above both hosts wake, below target less band they sleep ({usual.Band})");
        var least = Takes.Number("--least-hosts", $"So many hosts stay on ({usual.LeastHosts})");
        var spare = Takes.Flag("--keep-spare", "The hosts that are on could carry their machines without the largest of them");
        RequireBetween(target, PowerSavingSettings.MinTarget, PowerSavingSettings.MaxTarget);
        RequireBetween(band, PowerSavingSettings.MinBand, PowerSavingSettings.MaxBand);
        RequireBetween(least, 1, PowerSavingSettings.MaxLeastHosts);
        return commands.New("power", "Which hosts would go to standby and which would be woken, and why", [target, band, least, spare], run =>
        {
            var question = new PowerQuestion
            {
                Target = run.Value(target) ?? usual.Target,
                Band = run.Value(band) ?? usual.Band,
                LeastHosts = run.Value(least) ?? usual.LeastHosts,
                KeepSpare = run.Value(spare),
            };
            PowerOutput.Write(run, Ask(run, Answering.Power, question));
            return Task.FromResult(ExitCode.Done);
        });
    }

    private static Command Grow(CliCommands commands)
    {
        var like = Takes.Text("--like", "Machine of the snapshot to have more of", "VM");
        like.Required = true;
        var count = Takes.Number("--vms", "How many more are wanted; without it as many as fit");
        var hosts = Takes.Number("--hosts", "So many more hosts (1 when --host-cpu-mhz and --host-memory are given)");
        var cpu = Takes.Number("--host-cpu-mhz", "CPU of each new host, MHz");
        var memory = Takes.Size("--host-memory", "Memory of each new host");
        RequireBetween(count, 1, Growth.Most);
        RequireBetween(hosts, 1, 10_000);
        RequireBetween(cpu, 1, int.MaxValue);
        return commands.New("grow", "How many more machines of a kind fit, with and without more hosts", [like, count, hosts, cpu, memory], run =>
        {
            var question = new GrowQuestion
            {
                Like = run.Value(like)!,
                Vms = run.Value(count),
                Hosts = run.Value(hosts),
                HostCpu = run.Value(cpu) is { } mhz ? new Megahertz(mhz) : null,
                HostMemory = run.Value(memory) is { } size ? new Bytes(size) : null,
            };
            var answer = Ask(run, Answering.Grow, question);
            GrowthOutput.Write(run, answer);
            return Task.FromResult(question.Vms is null || (answer.Grown ?? answer.Now).Fit >= question.Vms ? ExitCode.Done : ExitCode.Fault);
        });
    }

    // What cannot be asked of the snapshot is a mistake of the command line, not of the file.
    private static TAnswer Ask<TQuestion, TAnswer>(Run run, Func<ClusterSnapshot, TQuestion, TAnswer> answer, TQuestion question)
    {
        var snapshot = SnapshotFile.Read(run.Value(Snapshot)!);
        try
        {
            return answer(snapshot, question);
        }
        catch (FaultException e) when (e.Fault is NotFound or InvalidArgument)
        {
            throw new UsageException(e.Message);
        }
    }

    private static void RequireBetween(Option<int?> option, int least, int most) => option.Validators.Add(result =>
    {
        if (result.GetValueOrDefault<int?>() is { } given && (given < least || given > most))
            result.AddError($"{option.Name} is '{given}', expected {(most == int.MaxValue ? $"{least} or more" : $"{least} to {most}")}.");
    });
}
