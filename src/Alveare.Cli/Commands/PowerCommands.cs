using System.CommandLine;
using System.Text.Json.Nodes;
using Alveare.Cli.Running;

namespace Alveare.Cli.Commands;

/// <summary>Hosts that sleep to save power: <c>host set-power</c>, <c>enter-standby</c> and <c>exit-standby</c>.</summary>
internal static class PowerCommands
{
    public static IEnumerable<Command> OfHosts(CliCommands commands) =>
    [
        SetPower(commands),
        Plain(commands, "enter-standby", "standby", "Move a host's machines to others and power it down until it is woken"),
        Plain(commands, "exit-standby", "wake", "Wake a host that is in standby and wait until it runs machines again"),
    ];

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
