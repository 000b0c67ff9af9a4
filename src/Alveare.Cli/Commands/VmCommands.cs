using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Consoles;
using Alveare.Cli.Running;
using Alveare.Model.Resources;

namespace Alveare.Cli.Commands;

/// <summary><c>vm …</c></summary>
internal static class VmCommands
{
    public static Command Group(CliCommands commands) => CliCommands.Group(
        "vm",
        "Virtual machines and templates",
        [
            .. VmListing.All(commands),
            .. VmMaking.All(commands),
            Reconfigure(commands),
            SetResources(commands),
            MoveToPool(commands),
            Plain(commands, "mark-template", "Turn a machine into a template"),
            Plain(commands, "mark-vm", "Turn a template back into a machine"),
            PowerOn(commands),
            Plain(commands, "power-off", "Power off at once, like pulling the plug"),
            Plain(commands, "reset", "Reset, like the reset button"),
            Plain(commands, "pause", "Let the guest stand still, in memory"),
            Plain(commands, "resume", "Let a paused guest go on"),
            ShutdownGuest(commands),
            Migrate(commands),
            Plain(commands, "unregister", "Remove a machine from the inventory; its files stay"),
            Plain(commands, "unregister-elsewhere", "Take its registration from every other connected host; the center does so by itself"),
            Destroy(commands),
            SerialCommand.New(commands),
            VncCommand.New(commands),
            Rename(commands),
            Generic.Move(commands, "vm", "folder,datacenter"),
        ]);

    private static OperationCommand Plain(CliCommands commands, string verb, string description) =>
        OperationCommand.OnMany(commands, $"vm.{verb}", description, [], _ => Task.FromResult<JsonObject?>(null));

    private static OperationCommand Rename(CliCommands commands)
    {
        var name = Takes.Existing(commands, "vm");
        var fresh = Generic.NewName();
        return OperationCommand.On(
            commands, "vm.rename", "rename", "Rename a machine or template, also while it runs; its directory and files keep their names", [name, fresh],
            run => run.IdOfAsync("vm", run.Value(name)),
            (run, _) => Task.FromResult<JsonObject?>(Takes.Body(("name", run.Value(fresh)))));
    }

    private static OperationCommand PowerOn(CliCommands commands)
    {
        var host = Takes.Existing(commands, "--host", "host", "Host to start on; by default the one it is on if it fits, else placement chooses");
        var paused = Takes.Flag("--paused", "Let it stand before its first instruction until 'vm resume'");
        return OperationCommand.OnMany(
            commands, "vm.power-on", "Power on", [host, paused],
            async run => Takes.Body(("host", await run.IdOfAsync("host", host)), ("paused", run.Value(paused) ? true : null)));
    }

    private static OperationCommand Destroy(CliCommands commands)
    {
        var powerOff = Takes.Flag("--power-off", "Power it off first, at once, if it is on");
        return OperationCommand.OnMany(
            commands, "vm.destroy", "Delete a machine and its files", [powerOff],
            run => Task.FromResult<JsonObject?>(Takes.Body(("powerOff", run.Value(powerOff) ? true : null))));
    }

    private static OperationCommand ShutdownGuest(CliCommands commands)
    {
        var timeout = Takes.Number("--timeout", "Seconds to wait for the guest; 180 by default");
        return OperationCommand.OnMany(
            commands, "vm.shutdown-guest", "Ask the guest to shut down, and wait until it is off", [timeout],
            run => Task.FromResult<JsonObject?>(Takes.Body(
                ("timeout", Takes.Seconds(run.Value(timeout))))));
    }

    private static OperationCommand Migrate(CliCommands commands)
    {
        var to = Takes.Existing(commands, "--to", "host", "Target host; placement chooses otherwise");
        var limit = Takes.Size("--bandwidth", "Most bytes per second to send, such as 100M; no limit by default");
        var group = Takes.Flag("--with-group", "Move what rules keep together with it to the same host, too");
        return OperationCommand.OnMany(
            commands, "vm.migrate", "Move to another host: live when it runs", [to, limit, group],
            async run => Takes.Body(
                ("host", await run.IdOfAsync("host", to)), ("bandwidthLimit", run.Value(limit)), ("withGroup", run.Value(group) ? true : null)));
    }

    private static OperationCommand SetResources(CliCommands commands)
    {
        var reservation = Takes.Number("--cpu-reservation", "CPU in MHz that it is promised; 0 for none");
        var limit = Takes.Number("--cpu-limit", "CPU in MHz that it never exceeds; 0 for no limit");
        var shares = Takes.SharesBySize("--cpu-shares", "What it weighs against others when CPU is short: low, normal (1000 per virtual CPU), high or a number");
        var memory = Takes.Size("--memory-reservation", "Memory that is left to it when memory is short");
        var memoryLimit = Takes.SizeOrZero("--memory-limit", "Memory that its process is held to, where the host can: see docs/how-to/resource-controls.md; 0 for no limit");
        var memoryShares = Takes.SharesBySize("--memory-shares", "What it weighs against others when memory is short: low, normal (10 per MiB), high or a number");
        var disk = Takes.Number("--disk", "Which disk the following are about, from 1; without it they are about every disk");
        var iops = Takes.Number("--iops-limit", "Reads and writes a second that a disk never exceeds; 0 for no limit");
        var diskBandwidth = Takes.Rate("--disk-bandwidth-limit", "Bytes read and written a second that a disk never exceeds; 0 for no limit");
        var diskShares = Takes.Shares("--disk-shares", "What a disk weighs against others of its datastore", ShareScale.NormalDisk);
        var nic = Takes.Number("--nic", "Which network card the following are about, from 1; without it they are about every one");
        (string Name, Option<long?> Option)[] shaping = [.. Shaping("out", "sends"), .. Shaping("in", "is sent")];
        var nicShares = Takes.Shares("--nic-shares", "What a network card weighs against others where the host's uplink is full, up to 100", ShareScale.NormalNic);
        return OperationCommand.OnMany(
            commands, "vm.set-resources", "Change what machines are promised, held to and weigh, also while they run",
            [reservation, limit, shares, memory, memoryLimit, memoryShares, disk, iops, diskBandwidth, diskShares, nic, .. shaping.Select(s => s.Option), nicShares],
            run => Task.FromResult<JsonObject?>(Takes.Body(
            [
                ("cpuReservation", run.Value(reservation)),
                ("cpuLimit", run.Value(limit)),
                Takes.SharesMember("cpu", run.Value(shares)),
                ("memoryReservation", run.Value(memory)),
                ("memoryLimit", run.Value(memoryLimit)),
                Takes.SharesMember("memory", run.Value(memoryShares)),
                ("disk", run.Value(disk)),
                ("iopsLimit", run.Value(iops)),
                ("diskBandwidthLimit", run.Value(diskBandwidth)),
                ("diskShares", run.Value(diskShares)),
                ("nic", run.Value(nic)),
                .. shaping.Select(s => (s.Name, (object?)run.Value(s.Option))),
                ("nicShares", run.Value(nicShares)),
            ]))).Changing(disk, nic);
    }

    private static IEnumerable<(string Name, Option<long?> Option)> Shaping(string direction, string does) =>
    [
        ($"{direction}Limit", Takes.Rate($"--{direction}-limit", $"Bytes a second that the guest {does} at the most; 0 for no limit")),
        ($"{direction}Peak", Takes.Rate($"--{direction}-peak", "Bytes a second while a burst lasts; 0 for as fast as it goes")),
        ($"{direction}Burst", Takes.SizeOrZero($"--{direction}-burst", "Bytes that go faster than the limit after a rest; 0 for a twentieth of a second's")),
    ];

    private static OperationCommand MoveToPool(CliCommands commands)
    {
        var pool = Takes.Existing(commands, "--pool", "pool", "Resource pool of its cluster; the cluster itself by default");
        return OperationCommand.OnMany(
            commands, "vm.move-to-pool", "Put machines into a resource pool, or out of any", [pool],
            async run => Takes.Body(("pool", await run.IdOfAsync("pool", pool))));
    }

    private static OperationCommand Reconfigure(CliCommands commands)
    {
        var cpus = Takes.Number("--cpus", "Virtual CPUs");
        var memory = Takes.Size("--memory", "Memory");
        var networks = Takes.Texts("--network", "Port group of a network card, instead of those there are; may be given several times", "PORTGROUP");
        var disks = Takes.Sizes("--add-disk", "Size of a further empty disk; may be given several times");
        return OperationCommand.OnMany(
            commands, "vm.reconfigure", "Change CPUs, memory, network cards or disks of a powered-off machine", [cpus, memory, networks, disks],
            run => Task.FromResult<JsonObject?>(Takes.Body(
                ("cpus", run.Value(cpus)),
                ("memory", run.Value(memory)),
                ("portGroups", run.Value(networks).OrNull()),
                ("addDisks", run.Value(disks).OrNull())))).Changing();
    }
}
