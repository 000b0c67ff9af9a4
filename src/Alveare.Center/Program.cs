using System.CommandLine;
using Alveare.Center;
using Alveare.Running;

var state = ProgramRun.StateOption("/var/lib/alveare/center");
var listen = ProgramRun.ListenOption(Site.DefaultPort);
var logLevel = ProgramRun.LogLevelOption();
var name = new Option<string>("--name") { Description = "Name of this center, for its hosts' administrators.", DefaultValueFactory = _ => Environment.MachineName };
var authorityFile = new Option<string?>("--ca-file")
{
    Description = "Where to write the certificate that clients trust. Default: ca.crt in the state directory.",
    HelpName = "FILE",
};

var command = new RootCommand(
    "The center of an Alveare site: runs many hosts as one. A new site begins with the user 'admin', whose password is taken from "
    + "ALVEARE_ADMIN_PASSWORD or is a random one, in a file that the center names.")
{
    state, listen, name, authorityFile, logLevel,
};
return await ProgramRun.InvokeAsync(command, args, (given, cancellation) => Site.RunAsync(
    new SiteSettings(
        given.GetValue(state)!, given.GetValue(listen)!, given.GetValue(name)!, given.GetValue(authorityFile), given.GetValue(logLevel)),
    cancellation));
