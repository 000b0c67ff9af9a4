using System.CommandLine;
using Alveare.Host;
using Alveare.HostLink;
using Alveare.Running;

var state = ProgramRun.StateOption("/var/lib/alveare/host");
var run = new Option<string?>("--run")
{
    Description = "Directory of what running machines alone need, such as their sockets; no other agent's. Default: /run/alveare/ID, with this host's id.",
    HelpName = "DIR",
};
var listen = ProgramRun.ListenOption(HostLinkOptions.DefaultPort);
var logLevel = ProgramRun.LogLevelOption();
var name = new Option<string>("--name") { Description = "Name of this host.", DefaultValueFactory = _ => Environment.MachineName };
var uplink = new Option<string?>("--uplink")
{
    Description = "Network device that joins this host's port groups to those of other hosts. Without it they end here.",
    HelpName = "DEV",
};
var uplinkSpeed = new Option<int?>("--uplink-speed")
{
    Description = "Speed of the way to other hosts over the uplink, in Mbit/s, by which network cards share it. Default: what its device says.",
    HelpName = "MBIT",
};
uplinkSpeed.Validators.Add(result =>
{
    if (result.GetValueOrDefault<int?>() is < 1 or > 1_000_000)
        result.AddError($"--uplink-speed is '{result.GetValueOrDefault<int?>()}', expected 1 to 1000000 Mbit/s.");
});

var migrationAddress = new Option<string?>("--migration-address")
{
    Description = "IP address at which other hosts reach this one to move machines. Default: the address of --listen, or that of the uplink.",
    HelpName = "IP",
};
var passwordFile = new Option<string?>("--password-file")
{
    Description = "File whose content becomes the join password (or the environment variable ALVEARE_JOIN_PASSWORD). Default: a random one.",
    HelpName = "FILE",
};
var statistics = new Option<int>("--statistics-interval")
{
    Description = "Seconds between two samples of the statistics, 1 to 3600.", HelpName = "SECONDS", DefaultValueFactory = _ => 20,
};
statistics.Validators.Add(result =>
{
    if (result.GetValueOrDefault<int>() is < 1 or > 3600)
        result.AddError($"--statistics-interval is '{result.GetValueOrDefault<int>()}', expected 1 to 3600.");
});

var powerDown = new Option<string?>("--power-down-command")
{
    Description = "Program and arguments, apart by spaces, that power this machine down when it goes to standby, such as 'systemctl poweroff'. Without it this host is never put to standby, unless a baseboard controller powers it down.",
    HelpName = "COMMAND",
};

var command = new RootCommand("The agent of an Alveare host: runs virtual machines for the center that the host was joined to.")
{
    state, run, listen, name, uplink, uplinkSpeed, migrationAddress, passwordFile, statistics, powerDown, logLevel,
};
return await ProgramRun.InvokeAsync(command, args, (given, cancellation) => Agent.RunAsync(
    new AgentSettings(
        given.GetValue(state)!,
        given.GetValue(run),
        given.GetValue(listen)!,
        given.GetValue(name)!,
        given.GetValue(uplink),
        given.GetValue(uplinkSpeed),
        given.GetValue(migrationAddress),
        given.GetValue(passwordFile),
        TimeSpan.FromSeconds(given.GetValue(statistics)),
        [.. (given.GetValue(powerDown) ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries)],
        given.GetValue(logLevel)),
    cancellation));
