using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Running;

namespace Alveare.Cli.Commands;

/// <summary>Hosts that sleep to save power: <c>host set-power</c>, <c>enter-standby</c>, <c>exit-standby</c> and <c>cluster set-power-saving</c>.</summary>
internal static class PowerCommands
{
    public static IEnumerable<Command> OfHosts(CliCommands commands) =>
    [
        SetPower(commands),
        Plain(commands, "enter-standby", "standby", "Move a host's machines to others and power it down until it is woken"),
        Plain(commands, "exit-standby", "wake", "Wake a host that is in standby and wait until it runs machines again"),
    ];

    public static OperationCommand OfClusters(CliCommands commands)
    {
        var cluster = Takes.Existing(commands, "cluster");
        var mode = Takes.Choice("--mode", "What it does by itself", "off", "manual", "automatic");
        var target = Takes.Number("--target", "Percent of the hosts that are on which is to be used, 30 to 90; 63 at first");
        var band = Takes.Number("--band", "Percent around the target, 5 to 40: hosts wake above it and sleep below it; 18 at first");
        var least = Takes.Number("--least-hosts", "So many hosts stay on; 1 at first");
        var spare = Takes.Choice("--keep-spare", "Whether the hosts that are on must be able to carry their machines if one fails", "yes", "no");
        var standbyAfter = Takes.Number("--standby-after", "Seconds that a host must not be needed before it sleeps, 60 to 86400; 2400 at first");
        var wakeAfter = Takes.Number("--wake-after", "Seconds that a host more must be needed before one wakes, 60 to 86400; 300 at first");
        return OperationCommand.On(
            commands, "cluster.set-power-saving", "set-power-saving", "Change how a cluster puts hosts to standby and wakes them",
            [cluster, mode, target, band, least, spare, standbyAfter, wakeAfter],
            run => run.IdOfAsync("cluster", run.Value(cluster)),
            (run, _) => Task.FromResult<JsonObject?>(Takes.Body(
                ("mode", run.Value(mode)),
                ("targetPercent", run.Value(target)),
                ("bandPercent", run.Value(band)),
                ("leastHosts", run.Value(least)),
                ("keepsSpare", run.Value(spare) is { } word ? word == "yes" : null),
                ("standbyAfter", Takes.Seconds(run.Value(standbyAfter))),
                ("wakeAfter", Takes.Seconds(run.Value(wakeAfter)))))).Changing();
    }

    private static OperationCommand Plain(CliCommands commands, string verb, string alias, string description)
    {
        var command = OperationCommand.OnMany(commands, $"host.{verb}", description, [], _ => Task.FromResult<JsonObject?>(null));
        command.Aliases.Add(alias);
        return command;
    }

    private static OperationCommand SetPower(CliCommands commands)
    {
        var host = Takes.Existing(commands, "host");
        var card = Takes.Text("--wake-on-lan", "Wake it by a packet to its network card with this address", "MAC");
        var broadcast = Takes.Text("--broadcast", "IPv4 address that the packet is sent to; 255.255.255.255 by default", "IP");
        var controller = Takes.Text("--redfish", "Power it up and down by its baseboard controller at this https address", "URL");
        var user = Takes.Text("--redfish-user", "User that the controller knows", "NAME");
        var password = new SecretOption("--redfish-password-file", "ALVEARE_REDFISH_PASSWORD");
        var fingerprint = Takes.Text("--fingerprint", "SHA-256 of the controller's certificate", "HEX");
        var none = Takes.Flag("--none", "Never wake it, and so never put it to standby");
        return OperationCommand.On(
            commands, "host.set-power", "set-power", "Say how a host is woken from standby", [host, card, broadcast, controller, user, password.Option, fingerprint, none],
            run => run.IdOfAsync("host", run.Value(host)),
            async (run, _) =>
            {
                if (new[] { run.Value(card) is not null, run.Value(controller) is not null, run.Value(none) }.Count(given => given) != 1)
                    throw new UsageException("How is it woken? Give one of --wake-on-lan, --redfish and --none.");
                return Takes.Body(
                    ("wakeOnLan", run.Value(card) is { } mac ? Takes.Body(("mac", mac), ("broadcast", run.Value(broadcast))) : null),
                    ("redfish", run.Value(controller) is { } address
                        ? Takes.Body(
                            ("address", address),
                            ("user", run.Value(user) ?? throw new UsageException("Which user of the controller? Give --redfish-user.")),
                            ("fingerprint", run.Value(fingerprint) ?? throw new UsageException("Which certificate has the controller? Give its --fingerprint.")))
                        : null),
                    ("password", run.Value(controller) is null ? null : await password.FindAsync(run)));
            });
    }
}
