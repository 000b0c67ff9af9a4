using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Alveare.Cli.Client;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary>What is seen of machines: list, one, statistics, log.</summary>
internal static class VmListing
{
    public static IEnumerable<Command> All(CliCommands commands) => [List(commands), Generic.Show(commands, "vm", WithLastSampleAsync), Statistics(commands), Log(commands)];

    private static Command List(CliCommands commands)
    {
        var host = Takes.Existing(commands, "--host", "host", "Only machines on this host");
        var power = Takes.Choice("--power", "Only machines in this state", "on", "off", "paused", "unknown");
        var templates = Takes.Flag("--templates", "Only templates");
        return commands.New("list", "List machines and templates", [host, power, templates], async run =>
        {
            var query = new List<string>();
            if (await run.IdOfAsync("host", host) is { } id)
                query.Add($"host={id}");
            if (run.Value(power) is { } state)
                query.Add($"power={state}");
            if (run.Value(templates))
                query.Add("template=true");
            var path = query.Count == 0 ? "vms" : $"vms?{string.Join('&', query)}";
            var machines = (await run.AskAsync(c => c.ListAsync(path, run.Interrupted))).Items;
            var hosts = run.IsJson ? [] : await Generic.NamesAsync(run, "host");
            run.WriteList<VmDto>(
                machines,
                new("NAME", v => v.Name),
                new("POWER", v => v.Spec?.IsTemplate == true ? "template" : v.Power),
                new("HOST", v => v.Host is null ? null : hosts.GetValueOrDefault(v.Host, v.Host)),
                new("CPUS", v => v.Spec?.Cpus.ToString(), IsNumber: true),
                new("MEMORY", v => v.Spec is { } s ? Amounts.Size(s.Memory) : null, IsNumber: true),
                new("ADDRESS", v => v.Guest is { Addresses: [var first, ..] } ? first : null),
                new("STATE", StateOf));
            return ExitCode.Done;
        });
    }

    private static string? StateOf(VmDto vm) => vm switch
    {
        { InvalidReason: { } reason } => $"invalid: {reason}",
        { IsStale: true } => "host does not answer",
        { BusyTask: { } task } => task,
        _ => null,
    };

    // What was sampled before a machine was powered off says nothing of it any more.
    private static async Task<JsonElement> WithLastSampleAsync(Run run, JsonElement record)
    {
        var vm = RestClient.As<VmDto>(record);
        if (vm.Power == "off" || (await run.AskAsync(c => c.ListAsync($"vms/{vm.Id}/statistics", run.Interrupted))).Items is not [.., var last])
            return record;
        var whole = JsonObject.Create(record)!;
        whole["statistics"] = JsonObject.Create(last);
        return JsonSerializer.SerializeToElement(whole, RestJson.Default.JsonObject);
    }

    private static Command Statistics(CliCommands commands) =>
        Generic.Statistics<MachineSampleDto>(
            commands,
            "vm",
            new("TIME", s => Amounts.Time(s.At)),
            new("CPU", s => Amounts.Percent(s.CpuPercent), IsNumber: true),
            new("READY", s => Amounts.Percent(s.CpuReadyPercent), IsNumber: true),
            new("MEMORY", s => Amounts.Size(s.MemoryConsumed), IsNumber: true),
            new("ACTIVE", s => Amounts.Size(s.MemoryActive), IsNumber: true),
            new("BALLOON", s => Amounts.Size(s.MemoryBallooned), IsNumber: true),
            new("DISK READ", s => Amounts.Rate(s.DiskReadBytesPerSecond), IsNumber: true),
            new("DISK WRITE", s => Amounts.Rate(s.DiskWriteBytesPerSecond), IsNumber: true),
            new("NET IN", s => Amounts.Rate(s.NetworkReceivedBytesPerSecond), IsNumber: true),
            new("NET OUT", s => Amounts.Rate(s.NetworkSentBytesPerSecond), IsNumber: true));

    private static Command Log(CliCommands commands)
    {
        var vm = Takes.Existing(commands, "vm");
        return commands.New("log", "Print a machine's log: its starts with QEMU's command lines, and why each QEMU ended", [vm], async run =>
        {
            var id = await run.IdOfAsync("vm", run.Value(vm));
            await using var log = await run.AskAsync(c => c.OpenAsync($"vms/{id}/log", run.Interrupted));
            await RestClient.CopyAsync(log, run.Environment.Out, run.Interrupted);
            return ExitCode.Done;
        });
    }
}
