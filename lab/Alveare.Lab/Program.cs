using System.Runtime.InteropServices;
using Alveare.Cli.Client;
using Alveare.Lab;
using Alveare.Lab.Layout;

const string Usage = "usage: Alveare.Lab [up|status|stop|env]";

var plan = new LabPlan { State = Path.GetFullPath(Environment.GetEnvironmentVariable("ALVEARE_LAB_STATE") is { Length: > 0 } given ? given : "/var/lib/alveare-lab") };
var cache = Environment.GetEnvironmentVariable("ALVEARE_GUEST_CACHE") is { Length: > 0 } place ? place : "/var/cache/alveare";
var report = new Report(Console.Out, !Console.IsOutputRedirected);
try
{
    return await RunAsync(args is [] ? "up" : args[0]);
}
catch (Exception e) when (e is LabException or RestFaultException or NotReachableException)
{
    report.Settle();
    await Console.Error.WriteLineAsync($"alveare lab: {e.Message}");
    return 1;
}

async Task<int> RunAsync(string verb)
{
    switch (verb)
    {
        case "up":
            RequireRoot();
            using (LabClaim.Take(plan))
                await new Demo(plan, cache, report).RunAsync();
            return 0;
        case "status":
            RequireRoot();
            return await LabStatus.PrintAsync(plan, report) ? 0 : 1;
        case "stop":
            RequireRoot();
            using (var claim = LabClaim.Take(plan))
            {
                await new LabEnd(plan).RemoveAsync();
                claim.Release();
            }

            report.Line("The lab is gone: no process, namespace, mount or file of it is left.");
            return 0;
        case "env":
            RequireRoot();
            if (!File.Exists(plan.PasswordFile))
                throw new LabException("There is no lab. Start one: ./alveare lab");
            report.Line($"export ALVEARE_URL={plan.Url} ALVEARE_USER=admin ALVEARE_PASSWORD={new LabInstance(plan).Password} ALVEARE_CA={plan.AuthorityFile}");
            return 0;
        default:
            await Console.Error.WriteLineAsync(Usage);
            return 2;
    }
}

static void RequireRoot()
{
    if (UserId() != 0)
        throw new LabException("root is needed: the lab makes network namespaces and runs virtual machines.");
}

[DllImport("libc", EntryPoint = "geteuid")]
[DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
static extern uint UserId();
