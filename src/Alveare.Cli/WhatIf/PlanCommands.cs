using System.CommandLine;
using Alveare.Cli.Running;
using Alveare.Planning.Balancing;
using Alveare.Planning.Snapshots;
using Alveare.Planning.WhatIf;

namespace Alveare.Cli.WhatIf;

/// <summary><c>plan</c>: what the planner would do with a cluster in a snapshot file. Needs no center and changes nothing.</summary>
internal static class PlanCommands
{
    private const int DefaultLevel = 3;

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
            Evacuate(commands, "maintenance", "Where the machines of a host would go if it were emptied, in order, and what is in the way", Evacuation.Maintenance),
            Evacuate(commands, "fail", "Whether the others carry what runs on a host, and where each machine would start again", Evacuation.Failure),
            Grow(commands));
        group.Options.Add(Snapshot);
        return group;
    }

    private static Command Balance(CliCommands commands)
    {
        var level = Takes.Number("--level", $"How eager: 1 mends rules only, {BalanceLevel.Highest} does all that is worth its move ({DefaultLevel})");
        var most = Takes.Number("--max-moves", "Make at most so many moves");
        RequireBetween(level, 1, BalanceLevel.Highest);
        RequireBetween(most, 0, int.MaxValue);
        return commands.New("balance", "Which machines would move where, in order, and what that brings", [level, most], run =>
        {
            var plan = Balancer.Plan(SnapshotFile.Read(run.Value(Snapshot)!), BalanceLevel.Of(run.Value(level) ?? DefaultLevel), run.Value(most));
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
            var snapshot = SnapshotFile.Read(run.Value(Snapshot)!);
            var asked = Megabytes(run.Value(memory)!.Value);
            var vm = new SnapshotVm
            {
                Id = PlacementQuestion.Vm,
                Host = "",
                MemMb = asked,
                ConsumedMb = asked,
                ActiveMb = asked,
                CpuDemandMhz = run.Value(cpu) ?? 0,
                CpuReservationMhz = run.Value(cpuReservation) ?? 0,
                MemReservationMb = Megabytes(run.Value(memoryReservation) ?? 0),
            };
            var plan = PlacementQuestion.Ask(snapshot, vm, Rules(snapshot, run.Value(together)!, run.Value(apart)!, run.Value(on)!));
            PlacementOutput.Write(run, plan);
            return Task.FromResult(plan.Host is null ? ExitCode.Fault : ExitCode.Done);
        });
    }

    private static Command Evacuate(CliCommands commands, string name, string description, Func<ClusterSnapshot, string, EvacuationPlan> plan)
    {
        var host = Takes.Text("--host", "Id of the host in the snapshot", "HOST");
        host.Required = true;
        return commands.New(name, description, [host], run =>
        {
            var snapshot = SnapshotFile.Read(run.Value(Snapshot)!);
            var answer = plan(snapshot, Host(snapshot, run.Value(host)!));
            EvacuationOutput.Write(run, answer);
            return Task.FromResult(answer.Stuck.IsEmpty ? ExitCode.Done : ExitCode.Fault);
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
            var snapshot = SnapshotFile.Read(run.Value(Snapshot)!);
            var (vm, most) = (Vm(snapshot, run.Value(like)!), run.Value(count) ?? Growth.Most);
            var (more, size) = (run.Value(cpu), run.Value(memory));
            if (more is null != size is null || (run.Value(hosts) is not null && more is null))
                throw new UsageException("A new host has --host-cpu-mhz and --host-memory: give both.");
            var now = Growth.Copies(snapshot, vm, most);
            var grown = more is null
                ? null
                : Growth.Copies(Growth.WithHosts(snapshot, run.Value(hosts) ?? 1, more.Value, Megabytes(size!.Value)), vm, most);
            GrowthOutput.Write(run, now, grown);
            return Task.FromResult(run.Value(count) is null || (grown ?? now).Fit >= most ? ExitCode.Done : ExitCode.Fault);
        });
    }

    private static IEnumerable<SnapshotRule> Rules(ClusterSnapshot snapshot, string[] together, string[] apart, string[] on)
    {
        foreach (var vm in together)
            yield return new($"--together-with {vm}", RuleKind.Together, [PlacementQuestion.Vm, Vm(snapshot, vm)], []);
        foreach (var vm in apart)
            yield return new($"--apart-from {vm}", RuleKind.Apart, [PlacementQuestion.Vm, Vm(snapshot, vm)], []);
        if (on.Length > 0)
            yield return new("--on", RuleKind.OnHosts, [PlacementQuestion.Vm], [.. on.Select(h => Host(snapshot, h))]);
    }

    private static string Host(ClusterSnapshot snapshot, string id) =>
        snapshot.Hosts.Any(h => h.Id == id) ? id : throw new UsageException($"The snapshot has no host '{id}'.");

    private static string Vm(ClusterSnapshot snapshot, string id) =>
        snapshot.Vms.Any(v => v.Id == id) ? id : throw new UsageException($"The snapshot has no vm '{id}'.");

    private static double Megabytes(long bytes) => bytes / (1024.0 * 1024);

    private static void RequireBetween(Option<int?> option, int least, int most) => option.Validators.Add(result =>
    {
        if (result.GetValueOrDefault<int?>() is { } given && (given < least || given > most))
            result.AddError($"{option.Name} is '{given}', expected {(most == int.MaxValue ? $"{least} or more" : $"{least} to {most}")}.");
    });
}
