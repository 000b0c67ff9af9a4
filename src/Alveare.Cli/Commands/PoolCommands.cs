using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Client;
using Alveare.Cli.Output;
using Alveare.Cli.Running;
using Alveare.Model.Resources;
using Alveare.Wire.Rest;

namespace Alveare.Cli.Commands;

/// <summary><c>pool …</c></summary>
internal static class PoolCommands
{
    private const string Yes = "yes";

    public static Command Group(CliCommands commands) => CliCommands.Group(
        "pool",
        "Resource pools, whose machines share what they have",
        [
            List(commands),
            Generic.Show(commands, "pool"),
            Create(commands),
            Set(commands),
            Move(commands),
            OperationCommand.OnMany(
                commands, "pool.destroy", "Remove a resource pool; its machines and pools go to what it was in", [], _ => Task.FromResult<JsonObject?>(null)),
            Generic.Rename(commands, "pool"),
        ]);

    private static Command List(CliCommands commands) => commands.New("list", "List pools", [], async run =>
    {
        var pools = (await run.AskAsync(c => c.ListAsync("pools", run.Interrupted))).Items;
        var above = await Generic.NamesAsync(run, "cluster");
        foreach (var pool in pools.Select(RestClient.As<PoolDto>))
            above[pool.Id] = pool.Name;
        run.WriteList<PoolDto>(
            pools,
            new("NAME", p => p.Name),
            new("IN", p => above.GetValueOrDefault(p.Parent ?? "")),
            new("CPU RESERVED", p => Megahertz(p.Controls.Cpu.Reservation), IsNumber: true),
            new("CPU LIMIT", p => p.Controls.Cpu.Limit is { } limit ? Megahertz(limit) : null, IsNumber: true),
            new("CPU SHARES", p => p.Controls.Cpu.Shares?.ToString() ?? "normal", IsNumber: true),
            new("MEMORY RESERVED", p => Amounts.Size(p.Controls.Memory.Reservation), IsNumber: true),
            new("MEMORY LIMIT", p => p.Controls.Memory.Limit is { } limit ? Amounts.Size(limit) : null, IsNumber: true),
            new("MEMORY SHARES", p => p.Controls.Memory.Shares?.ToString() ?? "normal", IsNumber: true),
            // Few pools have these, and a table with all of them is wider than most terminals.
            new("IOPS LIMIT", p => p.Controls.Disk.IopsLimit?.ToString(), IsNumber: true, IsOptional: true),
            new("DISK LIMIT", p => p.Controls.Disk.BandwidthLimit is { } limit ? Amounts.Rate(limit) : null, IsNumber: true, IsOptional: true),
            new("DISK SHARES", p => p.Controls.Disk.Shares?.ToString(), IsNumber: true, IsOptional: true),
            new("OUT LIMIT", p => p.Controls.Network.OutLimit is { } limit ? Amounts.Rate(limit) : null, IsNumber: true, IsOptional: true),
            new("IN LIMIT", p => p.Controls.Network.InLimit is { } limit ? Amounts.Rate(limit) : null, IsNumber: true, IsOptional: true),
            new("NIC SHARES", p => p.Controls.Network.Shares?.ToString(), IsNumber: true, IsOptional: true));
        return ExitCode.Done;
    });

    private static OperationCommand Create(CliCommands commands)
    {
        var name = Takes.Name("NAME", "Name of the new resource pool");
        var cluster = Takes.Existing(commands, "--cluster", "cluster", "Cluster; may be left out when it is clear from the pool or there is only one");
        var pool = Takes.Existing(commands, "--in", "pool", "Pool to create it in; the cluster itself by default");
        var controls = new Controls();
        return OperationCommand.On(
            commands, "cluster.create-pool", "create", "Create a resource pool", [name, cluster, pool, .. controls.Options],
            run => run.NamedOrOnlyAsync("cluster", cluster, ("pool", run.Value(pool))),
            async (run, _) => controls.Fill(run, Takes.Body(("name", run.Value(name)), ("pool", await run.IdOfAsync("pool", pool)))));
    }

    private static OperationCommand Set(CliCommands commands)
    {
        var name = Takes.Existing(commands, "pool");
        var controls = new Controls();
        return OperationCommand.On(
            commands, "pool.update", "set", "Change what a resource pool is promised, held to and weighs", [name, .. controls.Options],
            run => run.IdOfAsync("pool", run.Value(name)),
            (run, _) => Task.FromResult<JsonObject?>(controls.Fill(run, []))).Changing();
    }

    private static OperationCommand Move(CliCommands commands)
    {
        var name = Takes.Existing(commands, "pool");
        var into = Takes.Existing(commands, "--into", "pool", "Pool to move it into; the cluster itself by default");
        return OperationCommand.On(
            commands, "pool.move", "move", "Move a resource pool, with all that is in it", [name, into],
            run => run.IdOfAsync("pool", run.Value(name)),
            async (run, _) => Takes.Body(("into", await run.IdOfAsync("pool", into) ?? await ClusterOfAsync(run, run.Value(name)))));
    }

    private static async Task<string?> ClusterOfAsync(Run run, string pool)
    {
        var above = (await run.AskAsync(c => c.LookUpAsync("pool", pool, run.Interrupted))).Object.GetProperty("parent").GetString();
        while (above is not null && above.StartsWith("pool-", StringComparison.Ordinal))
            above = (await run.AskAsync(c => c.LookUpAsync("pool", above, run.Interrupted))).Object.GetProperty("parent").GetString();
        return above;
    }

    private static string Megahertz(long value) => $"{value} MHz";

    /// <summary>The options that create and set have in common.</summary>
    private sealed class Controls
    {
        private readonly Option<int?> _cpuReservation = Takes.Number("--cpu-reservation", "CPU in MHz that it is promised; 0 for none");
        private readonly Option<int?> _cpuLimit = Takes.Number("--cpu-limit", "CPU in MHz that its machines never exceed together; 0 for no limit");
        private readonly Option<int?> _cpuShares = Takes.Shares("--cpu-shares", "What it weighs against its siblings when CPU is short", ShareScale.NormalPoolCpu);
        private readonly Option<string?> _cpuExpandable = Takes.Choice("--cpu-expandable", "Whether it asks the pool above for the CPU that it lacks", Yes, "no");
        private readonly Option<long?> _memoryReservation = Takes.SizeOrZero("--memory-reservation", "Memory that it is promised; 0 for none");
        private readonly Option<long?> _memoryLimit = Takes.SizeOrZero("--memory-limit", "Memory that its machines are never promised, and never take, more of together; 0 for no limit");
        private readonly Option<int?> _memoryShares = Takes.Shares("--memory-shares", "What it weighs against its siblings when memory is short", ShareScale.NormalPoolMemory);
        private readonly Option<string?> _memoryExpandable = Takes.Choice("--memory-expandable", "Whether it asks the pool above for the memory that it lacks", Yes, "no");

        private readonly Option<int?> _iops = Takes.Number("--iops-limit", "Reads and writes a second that its machines' disks never exceed together; 0 for no limit");
        private readonly Option<long?> _diskBandwidth = Takes.Rate("--disk-bandwidth-limit", "Bytes read and written a second that its machines' disks never exceed together; 0 for no limit");
        private readonly Option<int?> _diskShares = Takes.Shares("--disk-shares", "What its machines' disks weigh together where a disk of the host is short", ShareScale.NormalPoolDisk);
        private readonly Option<long?> _out = Takes.Rate("--out-limit", "Bytes a second that its machines never send more of together; 0 for no limit");
        private readonly Option<long?> _in = Takes.Rate("--in-limit", "Bytes a second that its machines are never sent more of together; 0 for no limit");
        private readonly Option<int?> _nicShares = Takes.Shares("--nic-shares", "What its machines' network cards weigh together where the host's uplink is full", ShareScale.NormalPoolNic);

        public IEnumerable<Option> Options =>
        [
            _cpuReservation, _cpuLimit, _cpuShares, _cpuExpandable, _memoryReservation, _memoryLimit, _memoryShares, _memoryExpandable,
            _iops, _diskBandwidth, _diskShares, _out, _in, _nicShares,
        ];

        public JsonObject Fill(Run run, JsonObject body)
        {
            foreach (var (name, value) in Takes.Body(
                ("cpuReservation", run.Value(_cpuReservation)),
                ("cpuLimit", run.Value(_cpuLimit)),
                ("cpuShares", run.Value(_cpuShares)),
                ("cpuExpandable", Flag(run.Value(_cpuExpandable))),
                ("memoryReservation", run.Value(_memoryReservation)),
                ("memoryLimit", run.Value(_memoryLimit)),
                ("memoryShares", run.Value(_memoryShares)),
                ("memoryExpandable", Flag(run.Value(_memoryExpandable))),
                ("iopsLimit", run.Value(_iops)),
                ("diskBandwidthLimit", run.Value(_diskBandwidth)),
                ("diskShares", run.Value(_diskShares)),
                ("outLimit", run.Value(_out)),
                ("inLimit", run.Value(_in)),
                ("nicShares", run.Value(_nicShares))))
            {
                body[name] = value!.DeepClone();
            }

            return body;
        }

        private static object? Flag(string? word) => word is null ? null : word == Yes;
    }
}
