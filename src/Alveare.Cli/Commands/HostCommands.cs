using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary><c>host …</c></summary>
internal static class HostCommands
{
    public static Command Group(CliCommands commands) => CliCommands.Group(
        "host",
        "Hosts, which run the machines",
        [
            Generic.List<HostDto>(
                commands,
                "host",
                new("NAME", h => h.Name),
                new("CONNECTION", StateOf),
                new("ADDRESS", h => h.Address),
                new("CPUS", h => h.Facts?.CpuThreads.ToString(), IsNumber: true),
                new("FOR GUESTS", h => h.Facts is { } f ? Amounts.Size(f.MemoryForGuests) : null, IsNumber: true),
                new("ACCELERATOR", h => h.Facts?.Accelerator),
                new("AGENT", h => h.Facts?.AgentVersion),
                new("PROBLEM", h => h.Problem)),
            Generic.Show(commands, "host"),
            Generic.Statistics<HostSampleDto>(
                commands,
                "host",
                new("TIME", s => Amounts.Time(s.At)),
                new("CPU", s => Amounts.Percent(s.CpuPercent), IsNumber: true),
                new("MEMORY", s => Amounts.Size(s.MemoryUsed), IsNumber: true),
                new("NET IN", s => Amounts.Rate(s.NetworkReceivedBytesPerSecond), IsNumber: true),
                new("NET OUT", s => Amounts.Rate(s.NetworkSentBytesPerSecond), IsNumber: true),
                new("RUNNING", s => s.RunningMachines.ToString(), IsNumber: true)),
            Join(commands),
            Plain(commands, "disconnect", "Stop talking to a host; its machines run on"),
            Plain(commands, "reconnect", "Talk to a disconnected host again"),
            Plain(commands, "remove", "Remove a host and its machines from the inventory; machines run on"),
            MaintenancePlan(commands),
            Plain(commands, "enter-maintenance", "Move a host's machines to others and let none come, for work on it"),
            Plain(commands, "exit-maintenance", "Let a host run machines again"),
            .. PowerCommands.OfHosts(commands),
            Generic.Rename(commands, "host"),
            Generic.Move(commands, "host", "cluster,datacenter"),
        ]);

    private static string StateOf(HostDto host) => host switch
    {
        { Maintenance: not "none" } => $"{host.Connection}, {(host.Maintenance == "next" ? "next for" : host.Maintenance)} maintenance",
        { Standby: "in", FailedWakes: > 0 } => $"{host.Connection}, failed to wake",
        { Standby: "entering" or "exiting" } => $"{host.Connection}, {host.Standby} standby",
        _ => host.Connection,
    };

    private static OperationCommand Plain(CliCommands commands, string verb, string description) =>
        OperationCommand.OnMany(commands, $"host.{verb}", description, [], _ => Task.FromResult<JsonObject?>(null));

    private static Command MaintenancePlan(CliCommands commands)
    {
        var name = Takes.Existing(commands, "host");
        return commands.New("maintenance-plan", "Show where a host's machines would go for maintenance, how long it takes and what cannot leave", [name], async run =>
        {
            var path = $"hosts/{await run.IdOfAsync("host", run.Value(name))}/maintenance-plan";
            var plan = await run.AskAsync(c => c.GetAsync<MaintenancePlanDto>(path, run.Interrupted));
            if (run.IsJson)
                run.WriteRecord(JsonSerializer.SerializeToElement(plan, RestJson.Contract<MaintenancePlanDto>()));
            else
                run.Environment.Out.Write(Text(plan));
            return plan.IsPossible ? ExitCode.Done : ExitCode.Fault;
        });
    }

    private static string Text(MaintenancePlanDto plan)
    {
        var text = new StringBuilder(Table.Format(
            plan.Moves,
            [
                new("VM", m => m.Name),
                new("FROM", m => m.FromName),
                new("TO", m => m.ToName),
                new("HOW", m => m.IsLive ? "live" : "by registration"),
                new("MEMORY", m => m.IsLive ? Amounts.Size(m.Memory) : null, IsNumber: true),
                new("SECONDS", m => m.IsLive ? m.Seconds.ToString("0.0", CultureInfo.InvariantCulture) : null, IsNumber: true),
                new("WITH", m => m.With),
                new("MAKES ROOM FOR", m => m.ForName),
            ]));
        text.AppendLine(CultureInfo.InvariantCulture, $"about {Math.Ceiling(plan.Seconds):0} s in all");
        foreach (var stay in plan.Staying)
            text.AppendLine(CultureInfo.InvariantCulture, $"{stay.Name} {(stay.IsInTheWay ? "cannot leave" : "stays, off")}: {stay.Reason}");
        foreach (var warning in plan.Warnings)
            text.AppendLine(CultureInfo.InvariantCulture, $"mind that {warning}");
        return text.ToString();
    }

    private static OperationCommand Join(CliCommands commands)
    {
        var address = Takes.Name("ADDRESS", "Host name or IP and port of the host's agent, such as 198.18.0.11:7443");
        var fingerprint = new Option<string>("--fingerprint")
        {
            Description = "SHA-256 of the host's certificate, as its agent prints it", HelpName = "HEX", Required = true,
        };
        var user = Takes.Text("--join-user", "User that the host's agent knows; root by default", "NAME");
        var password = new SecretOption("--join-password-file", "ALVEARE_JOIN_PASSWORD");
        var name = Takes.Text("--name", "Name in the inventory; the host's own by default", "NAME");
        var cluster = Takes.Existing(commands, "--cluster", "cluster", "Cluster to put it in");
        var datacenter = Takes.Existing(commands, "--datacenter", "datacenter", "Datacenter; may be left out when it is clear from the cluster or there is only one");
        var force = Takes.Flag("--force", "Take the host over from another center");
        return OperationCommand.On(
            commands, "datacenter.join-host", "join", "Join a host", [address, fingerprint, user, password.Option, name, cluster, datacenter, force],
            run => run.NamedOrOnlyAsync("datacenter", datacenter, ("cluster", run.Value(cluster))),
            async (run, _) => Takes.Body(
                ("address", run.Value(address)),
                ("fingerprint", run.Value(fingerprint)),
                ("user", run.Value(user) ?? "root"),
                ("password", await password.ReadAsync(run)),
                ("name", run.Value(name)),
                ("cluster", await run.IdOfAsync("cluster", cluster)),
                ("force", run.Value(force) ? true : null)));
    }
}
